//! Line charts as inline SVG, by plotters.
//!
//! plotters knows colours as RGB only. Charts are drawn in colours that stand for roles (a run's
//! line, axis, grid, text), which are then replaced by CSS custom properties, so that one chart
//! serves light and dark pages. Each element of a line carries the line's number, by which the scripts of the page find it.

use std::fmt::Write;
use std::ops::Range;

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::{Value, json};

use super::words;
use crate::error::{Error, Result};

/// Number of colours of runs; further runs begin again.
pub(super) const RUN_COLOURS: usize = 10;

/// Outlines of the markers of runs, on a disc of radius 1; further runs begin again. With the colours, which are more by no
/// common factor, they tell 70 runs apart, and neighbours without any colour.
pub(super) const MARKERS: [&[(f64, f64)]; 7] = [
    &[
        (0.0, -1.0),
        (0.7, -0.7),
        (1.0, 0.0),
        (0.7, 0.7),
        (0.0, 1.0),
        (-0.7, 0.7),
        (-1.0, 0.0),
        (-0.7, -0.7),
    ],
    &[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
    &[(0.0, -1.1), (1.0, 0.8), (-1.0, 0.8)],
    &[(0.0, -1.25), (1.0, 0.0), (0.0, 1.25), (-1.0, 0.0)],
    &[(0.0, 1.1), (1.0, -0.8), (-1.0, -0.8)],
    &[
        (-0.35, -1.1),
        (0.35, -1.1),
        (0.35, -0.35),
        (1.1, -0.35),
        (1.1, 0.35),
        (0.35, 0.35),
        (0.35, 1.1),
        (-0.35, 1.1),
        (-0.35, 0.35),
        (-1.1, 0.35),
        (-1.1, -0.35),
        (-0.35, -0.35),
    ],
    &[
        (-1.0, -0.55),
        (-0.55, -1.0),
        (0.0, -0.45),
        (0.55, -1.0),
        (1.0, -0.55),
        (0.45, 0.0),
        (1.0, 0.55),
        (0.55, 1.0),
        (0.0, 0.45),
        (-0.55, 1.0),
        (-1.0, 0.55),
        (-0.45, 0.0),
    ],
];

/// The outline of a run's marker as points of an SVG polygon in a box from -1.3 to 1.3.
pub(super) fn marker_points(run: usize) -> String {
    let points = MARKERS[run % MARKERS.len()].iter().map(|(x, y)| format!("{x},{y}"));
    points.collect::<Vec<_>>().join(" ")
}

/// A chart with lines over a common axis.
pub(super) struct Chart<'a> {
    /// The text alternative.
    pub description: &'a str,
    /// Label of the horizontal axis.
    pub x_label: &'a str,
    /// Label of the vertical axis.
    pub y_label: &'a str,
    /// Whether the horizontal axis counts (epochs).
    pub whole_x: bool,
    /// Ends of the vertical axis; `None` for the extent of the points with a margin.
    pub y_ends: Option<(f64, f64)>,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A chart as a page shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Drawing {
    /// Inline SVG.
    pub svg: String,
    /// Its axes and points, for the scripts of the page.
    pub data: Value,
}

/// One line.
pub(super) struct Line {
    /// What it is called where its values are read.
    pub name: String,
    /// Index of the run, which gives the colour.
    pub run: usize,
    /// Dashed (training) or solid (validation).
    pub dashed: bool,
    /// Points in order; one that is not finite interrupts the line, a single one is a dot (hollow if dashed).
    pub points: Vec<(f64, f64)>,
    /// A band around it, from a lower to a higher value at each place; empty for none.
    pub range: Vec<(f64, f64, f64)>,
    /// A point to ring.
    pub marked: Option<(f64, f64)>,
}

impl Line {
    /// A solid line alone.
    pub(super) fn plain(name: String, run: usize, points: Vec<(f64, f64)>) -> Self {
        Self { name, run, dashed: false, points, range: Vec::new(), marked: None }
    }
}

/// Size of the drawing in its own units; twice what is shown, because plotters draws on whole units.
const SIZE: (u32, u32) = (1040, 640);
/// Height of text in those units, with plotters' own factor.
const TEXT: f64 = 26.0 * 1.24;

const AXIS: RGBColor = RGBColor(2, 0, 0);
const GRID: RGBColor = RGBColor(2, 0, 1);
const INK: RGBColor = RGBColor(2, 0, 2);

/// The colour that stands for a line, by its number in the chart.
fn of_line(number: usize) -> RGBColor {
    RGBColor(1, (number / 256) as u8, (number % 256) as u8)
}

/// Markers along a line.
const MARKED_PLACES: usize = 6;

/// Draws a chart; `None` where no point is finite.
///
/// # Errors
/// When plotters cannot draw.
pub(super) fn draw(chart: &Chart) -> Result<Option<Drawing>> {
    let Some((x, y)) = ranges(chart) else { return Ok(None) };
    let mut svg = String::new();
    let (across, down) = draw_into(&mut svg, chart, x, y).map_err(|error| {
        Error::failed(format!("the chart `{}` cannot be drawn: {error}", chart.y_label))
    })?;
    let finite = |value: f64| value.is_finite().then_some(value);
    let line = |line: &Line| {
        let points = line.points.iter().map(|&(x, y)| json!([finite(x), finite(y)]));
        json!({
            "name": line.name, "run": line.run, "dashed": line.dashed,
            "points": points.collect::<Value>(),
        })
    };
    let data = json!({
        "x": chart.x_label,
        "y": chart.y_label,
        "frame": [across.start, down.start, across.end, down.end],
        "x_range": [x.0, x.1],
        "y_range": [y.0, y.1],
        "lines": chart.lines.iter().map(line).collect::<Value>(),
    });
    Ok(Some(Drawing { svg: restyle(&svg, chart), data }))
}

type Span = (f64, f64);

/// The extent of the finite points, with a margin.
fn ranges(chart: &Chart) -> Option<(Span, Span)> {
    let of_line = |line: &Line| {
        let band = line.range.iter().flat_map(|&(x, low, high)| [(x, low), (x, high)]);
        line.points.iter().copied().chain(band).collect::<Vec<_>>()
    };
    let finite = || chart.lines.iter().flat_map(of_line).filter(is_finite);
    let extent = |value: fn((f64, f64)) -> f64| {
        finite().map(value).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    finite().next()?;
    let (x, y) = (extent(|point| point.0), extent(|point| point.1));
    let x = match x.1 - x.0 {
        0.0 => (x.0 - 0.5, x.1 + 0.5),
        span if chart.whole_x => (x.0 - 0.025 * span, x.1 + 0.01 * span),
        _ => x,
    };
    let air = match y.1 - y.0 {
        0.0 => (0.1 * y.0.abs()).max(1e-6),
        span => 0.06 * span,
    };
    Some((x, chart.y_ends.unwrap_or((y.0 - air, y.1 + air))))
}

fn is_finite(point: &(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

type Drawn<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Draws it; where the plot lies in the drawing, across and down.
fn draw_into(svg: &mut String, chart: &Chart, x: Span, y: Span) -> Drawn<(Range<i32>, Range<i32>)> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let text = ("sans-serif", TEXT).into_font().color(&INK);
    let ticks = if chart.whole_x { ((x.1 - x.0) as usize + 1).min(10) } else { 11 };
    let y_text = |value: &f64| tick(*value, y.1 - y.0);
    let x_text =
        |value: &f64| if chart.whole_x { format!("{value:.0}") } else { format!("{value:.1}") };
    let mut context = ChartBuilder::on(&area)
        .margin_top(24)
        .margin_right(44)
        .x_label_area_size(84)
        .y_label_area_size(128)
        .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
    context
        .configure_mesh()
        .x_labels(ticks)
        .y_labels(6)
        .x_max_light_lines(0)
        .y_max_light_lines(0)
        .disable_x_mesh()
        .bold_line_style(GRID.stroke_width(2))
        .axis_style(AXIS.stroke_width(2))
        .label_style(text.clone())
        .x_label_formatter(&x_text)
        .y_label_formatter(&y_text)
        .x_desc(chart.x_label)
        .y_desc(chart.y_label)
        .axis_desc_style(text.pos(Pos::new(HPos::Center, VPos::Bottom)))
        .draw()?;
    for (number, line) in chart.lines.iter().enumerate().filter(|(_, line)| !line.range.is_empty())
    {
        let upper = line.range.iter().map(|&(x, _, high)| (x, high));
        let lower = line.range.iter().rev().map(|&(x, low, _)| (x, low));
        let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
        context.draw_series([Polygon::new(outline, of_line(number).mix(0.16).filled())])?;
    }
    let runs: Vec<usize> = chart.lines.iter().map(|line| line.run).collect();
    let several = runs.iter().any(|run| *run != runs[0]);
    for (number, line) in chart.lines.iter().enumerate() {
        draw_line(&mut context, number, line)?;
        if several && !line.dashed {
            draw_markers(&mut context, number, line)?;
        }
    }
    let place = context.plotting_area().get_pixel_range();
    drop(context);
    area.present()?;
    Ok(place)
}

/// The two axes of a chart on its drawing.
type Axes<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn draw_line(axes: &mut Axes, number: usize, line: &Line) -> Drawn {
    let colour = of_line(number);
    for part in line.points.split(|point| !is_finite(point)) {
        match part {
            [] => {}
            [dot] => {
                let style = colour.stroke_width(3);
                let style = ShapeStyle { filled: !line.dashed, ..style };
                axes.draw_series([Circle::new(*dot, 7, style)])?;
            }
            part => {
                axes.draw_series(LineSeries::new(part.iter().copied(), colour.stroke_width(4)))?;
            }
        }
    }
    if let Some(point) = line.marked.filter(is_finite) {
        axes.draw_series([Circle::new(point, 13, colour.stroke_width(4))])?;
    }
    Ok(())
}

/// Marks a line with the shape of its run, at places that differ from run to run.
fn draw_markers(axes: &mut Axes, number: usize, line: &Line) -> Drawn {
    const RADIUS: f64 = 9.0;
    let points: Vec<(f64, f64)> = line.points.iter().copied().filter(is_finite).collect();
    let places = MARKED_PLACES.min(points.len());
    let shift = (line.run % RUN_COLOURS) as f64 / RUN_COLOURS as f64;
    for place in 0..places {
        let at = ((place as f64 + shift) * points.len() as f64 / places as f64) as usize;
        let outline = MARKERS[line.run % MARKERS.len()].iter();
        let scaled = outline.map(|(x, y)| ((x * RADIUS) as i32, (y * RADIUS) as i32));
        let shape = Polygon::new(scaled.collect::<Vec<_>>(), of_line(number).filled());
        axes.draw_series([EmptyElement::at(points[at.min(points.len() - 1)]) + shape])?;
    }
    Ok(())
}

/// A tick's label with as many decimals as the span of the axis asks for.
fn tick(value: f64, span: f64) -> String {
    match span {
        span if !(2e-3..1e6).contains(&span) => format!("{value:.1e}"),
        span if span < 0.02 => format!("{value:.4}"),
        span if span < 0.2 => format!("{value:.3}"),
        span if span < 2.0 => format!("{value:.2}"),
        span if span < 20.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Replaces role colours by custom properties, and the head by one that scales and has a text alternative.
fn restyle(svg: &str, chart: &Chart) -> String {
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    let mut page = String::with_capacity(svg.len());
    let (width, height) = SIZE;
    let _ = write!(
        page,
        "<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
        words::escape(chart.description)
    );
    for element in body.trim_end().split_inclusive('\n') {
        page.push_str(&of_its_line(element, chart));
    }
    for (colour, property) in [(AXIS, "--axis"), (GRID, "--grid"), (INK, "--ink-soft")] {
        page = page.replace(&attribute(colour), &format!("\"var({property})\""));
    }
    page
}

/// An element of a line with its run's colour, dashes and its number; other elements as they are. plotters writes each on a
/// line of its own.
fn of_its_line(element: &str, chart: &Chart) -> String {
    let number = element.split("\"#01").nth(1).and_then(|rest| rest.get(..4));
    let number = number.and_then(|digits| usize::from_str_radix(digits, 16).ok());
    let Some((number, line)) = number.and_then(|at| Some((at, chart.lines.get(at)?))) else {
        return element.to_owned();
    };
    let colour = format!("\"var(--run-{})\"", line.run % RUN_COLOURS);
    let coloured = element.replace(&attribute(of_line(number)), &colour);
    let is_line = element.starts_with("<polyline");
    let dashes = if line.dashed && is_line { " stroke-dasharray=\"14 10\"" } else { "" };
    let Some((name, rest)) = coloured.split_once(' ') else { return coloured };
    format!("{name} data-line=\"{number}\"{dashes} {rest}")
}

/// A colour as plotters writes it.
fn attribute(colour: RGBColor) -> String {
    format!("\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[(f64, f64)]) -> Chart<'static> {
        Chart {
            description: "loss <of> \"a\"",
            x_label: "Epoch",
            y_label: "Loss",
            whole_x: true,
            y_ends: None,
            lines: vec![Line {
                name: "a".into(),
                run: 3,
                dashed: true,
                points: points.to_vec(),
                range: Vec::new(),
                marked: None,
            }],
        }
    }

    fn svg(points: &[(f64, f64)]) -> String {
        draw(&chart(points)).unwrap().unwrap().svg
    }

    #[test]
    fn a_chart_takes_its_colours_from_the_page_and_loads_nothing() {
        let svg = svg(&[(1.0, 0.5), (2.0, 0.25)]);
        assert!(svg.contains("<polyline data-line=\"0\" stroke-dasharray"), "{svg}");
        assert!(svg.contains("\"var(--run-3)\""), "{svg}");
        assert!(svg.contains("var(--ink-soft)") && svg.contains("var(--axis)"));
        assert!(!svg.contains('#') && !svg.contains("http"), "{svg}");
        assert!(svg.contains("aria-label=\"loss &lt;of&gt; &quot;a&quot;\""));
        assert!(svg.ends_with("</svg>"));
    }

    #[test]
    fn a_value_that_is_not_finite_parts_the_line() {
        let svg = svg(&[(1.0, 0.5), (2.0, 0.4), (3.0, f64::NAN), (4.0, 0.3), (5.0, 0.2)]);
        assert_eq!(svg.matches("stroke-dasharray").count(), 2);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn a_single_epoch_is_a_dot_at_its_number() {
        let svg = svg(&[(1.0, 0.5)]);
        assert_eq!(svg.matches("<circle").count(), 1);
        assert!(svg.contains(">\n1\n<"), "the axis names the epoch: {svg}");
    }

    #[test]
    fn without_a_finite_value_there_is_no_chart() {
        assert!(draw(&chart(&[])).unwrap().is_none());
        assert!(draw(&chart(&[(1.0, f64::NAN), (2.0, f64::INFINITY)])).unwrap().is_none());
    }

    #[test]
    fn epochs_are_ticked_in_whole_numbers() {
        for last in [2, 3, 7, 12, 300] {
            let points: Vec<(f64, f64)> =
                (1..=last).map(|x| (f64::from(x), 1.0 / f64::from(x))).collect();
            let svg = svg(&points);
            let labels: Vec<&str> = svg.lines().filter(|l| l.parse::<u32>().is_ok()).collect();
            let mut distinct = labels.clone();
            distinct.dedup();
            assert!(labels.len() >= 2 && labels.len() <= 10, "{last}: {labels:?}");
            assert_eq!(labels, distinct, "{last}");
        }
    }
}
