//! Kernels against sums by the definition in double precision, over random shapes, and operators
//! against Burn's own.

use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, DropoutConfig, GroupNormConfig, LayerNormConfig, PaddingConfig2d,
};
use burn::tensor::{Device, Distribution, Tensor};
use proptest::prelude::*;

use super::activation::Activation;
use super::epilogue::Epilogue;
use super::geometry::{Dims, Input as Maps, Part, Shared, Window};
use super::{After, Input, Source, depthwise, direct, standard, testing, winograd};

/// Relative error allowed: of the root mean square, by the root mean square and at the most.
const RMS: f64 = 1e-5;
const LARGEST: f64 = 1e-4;

/// Numbers between -1 and 1 that a seed decides.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (f64::from(state) / f64::from(u32::MAX)) as f32 * 2.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

#[track_caller]
fn assert_close(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        (values.map(|value| value * value).sum::<f64>() / expected.len().max(1) as f64).sqrt()
    };
    let scale = mean(&mut expected.iter().copied()).max(1e-30);
    let errors: Vec<f64> =
        found.iter().zip(expected).map(|(&found, expected)| f64::from(found) - expected).collect();
    let rms = mean(&mut errors.iter().copied()) / scale;
    let largest = errors.iter().fold(0f64, |most, error| most.max(error.abs())) / scale;
    // Not a number fails too.
    assert!(rms < RMS && largest < LARGEST, "{what}: error {rms:.2e}, at most {largest:.2e}");
}

/// One convolution: sizes, numbers, and every product it consists of.
#[derive(Clone, Debug)]
struct Case {
    dims: Dims,
    outputs: usize,
    window: Window,
}

impl Case {
    fn output(&self) -> Dims {
        let [height, width] = self.window.output([self.dims.height, self.dims.width]);
        Dims { batch: self.dims.batch, height, width, channels: self.outputs }
    }

    fn weights(&self) -> usize {
        self.outputs * self.dims.channels / self.window.groups * self.window.taps()
    }

    /// Calls `product(input, weight, output)` with the three indices of each product.
    fn products(&self, mut product: impl FnMut(usize, usize, usize)) {
        let (dims, out, window) = (self.dims, self.output(), &self.window);
        let [rows, columns] = window.kernel;
        let (read, written) = (dims.channels / window.groups, out.channels / window.groups);
        for pixel in 0..out.pixels() {
            let (image, y, x) = place(pixel, out);
            for (row, column) in
                (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)))
            {
                let y =
                    (y * window.stride[0] + row * window.dilation[0]).checked_sub(window.before[0]);
                let x = (x * window.stride[1] + column * window.dilation[1])
                    .checked_sub(window.before[1]);
                let (Some(y), Some(x)) = (y, x) else { continue };
                if y >= dims.height || x >= dims.width {
                    continue;
                }
                let input = ((image * dims.height + y) * dims.width + x) * dims.channels;
                for output in 0..out.channels {
                    let group = output / written;
                    for channel in 0..read {
                        let weight = ((output * read + channel) * rows + row) * columns + column;
                        let output = pixel * out.channels + output;
                        product(input + group * read + channel, weight, output);
                    }
                }
            }
        }
    }

    /// Runs all three passes and compares each.
    fn check(&self, kernel: Kernel) {
        let Self { dims, window, .. } = self;
        let out = self.output();
        let (maps, weights) = (numbers(dims.len(), 1), numbers(self.weights(), 2));
        let gradient = numbers(out.len(), 3);
        let mut expected =
            [vec![0f64; out.len()], vec![0f64; dims.len()], vec![0f64; weights.len()]];
        self.products(|input, weight, output| {
            let [x, w, g] = [maps[input], weights[weight], gradient[output]].map(f64::from);
            expected[0][output] += x * w;
            expected[1][input] += g * w;
            expected[2][weight] += g * x;
        });
        let [mut output, mut of_input, mut of_weights] =
            [out.len(), dims.len(), weights.len()].map(|len| vec![f32::NAN; len]);
        let parts = [Part { data: &maps[..], channels: dims.channels, doubled: false }];
        let input = part(*dims, &parts);
        let of_output = [Part { data: &gradient[..], channels: out.channels, doubled: false }];
        let of_output = part(out, &of_output);
        let none = Epilogue::default();
        match kernel {
            Kernel::Winograd => {
                let transformed = winograd::for_forward(&weights, self.outputs);
                winograd::forward(&input, &transformed, window.before, out, none, &mut output);
                let data = Shared::new(&mut of_input);
                let parts = [Part { data, channels: dims.channels, doubled: false }];
                let size = [dims.height, dims.width];
                winograd::input_gradient(&of_output, &weights, window.before, size, &parts);
                winograd::weight_gradient(&input, &of_output, window.before, &mut of_weights);
            }
            Kernel::Direct => {
                let packed = direct::for_forward(&input, &weights, window);
                direct::forward(&input, &packed, window, none, &mut output);
                direct::input_gradient(&of_output, &weights, window, *dims, &mut of_input);
                direct::weight_gradient(&input, &gradient, window, &mut of_weights);
            }
            Kernel::Depthwise => {
                depthwise::forward(&maps, *dims, &weights, window, none, &mut output);
                depthwise::input_gradient(&gradient, &weights, window, *dims, &mut of_input);
                depthwise::weight_gradient(&maps, *dims, &gradient, window, &mut of_weights);
            }
        }
        assert_close("output", &output, &expected[0]);
        assert_close("gradient of the input", &of_input, &expected[1]);
        assert_close("gradient of the weights", &of_weights, &expected[2]);
    }
}

#[derive(Clone, Copy, Debug)]
enum Kernel {
    Winograd,
    Direct,
    Depthwise,
}

fn place(pixel: usize, dims: Dims) -> (usize, usize, usize) {
    let (row, x) = (pixel / dims.width, pixel % dims.width);
    (row / dims.height, row % dims.height, x)
}

fn part<'a>(dims: Dims, parts: &'a [Part<&'a [f32]>]) -> Maps<'a> {
    Maps { batch: dims.batch, height: dims.height, width: dims.width, parts }
}

/// Sizes from one pixel up, odd ones too; few products, so that the definition is computed quickly.
fn sizes() -> impl Strategy<Value = (usize, usize, usize)> {
    (0..4usize, 1..14usize, 1..14usize)
}

prop_compose! {
    fn any_convolution()(
        (batch, height, width) in sizes(),
        groups in 1..4usize,
        channels in (1..20usize, 1..20usize),
        kernel in [1..6usize, 1..6usize],
        stride in [1..5usize, 1..5usize],
        before in [0..4usize, 0..4usize],
        after in [0..4usize, 0..4usize],
        dilation in [1..3usize, 1..3usize],
    ) -> Case {
        let dims = Dims { batch, height, width, channels: channels.0 * groups };
        let window = Window { kernel, stride, before, after, dilation, groups };
        Case { dims, outputs: channels.1 * groups, window }
    }
}

prop_compose! {
    fn winograd_convolution()(
        (batch, height, width) in sizes(),
        channels in (1..40usize, 1..40usize),
        before in [0..3usize, 0..3usize],
        after in [0..3usize, 0..3usize],
    ) -> Case {
        let dims = Dims { batch, height, width, channels: channels.0 };
        let window = Window { before, after, ..Window::square(3, 1, 0) };
        Case { dims, outputs: channels.1, window }
    }
}

prop_compose! {
    fn depthwise_convolution()(case in any_convolution(), channels in 2..40usize) -> Case {
        let dims = Dims { channels, ..case.dims };
        let window = Window { groups: channels, ..case.window };
        Case { dims, outputs: channels, window }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_convolution_is_what_its_definition_says(case in any_convolution()) {
        case.check(Kernel::Direct);
    }

    #[test]
    fn winograds_convolution_is_what_its_definition_says(case in winograd_convolution()) {
        case.check(Kernel::Winograd);
    }

    #[test]
    fn depthwise_convolution_is_what_its_definition_says(case in depthwise_convolution()) {
        case.check(Kernel::Depthwise);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Winograd's transforms spread what is not a number to a tile; nothing may lose it.
    #[test]
    fn a_sum_that_is_not_a_number_is_none_behind_a_rectified_convolution(
        values in testing::partly_nan(6 * 7 * 9),
        kernel in prop::sample::select(vec![Kernel::Winograd, Kernel::Direct, Kernel::Depthwise]),
    ) {
        let groups = if matches!(kernel, Kernel::Depthwise) { 9 } else { 1 };
        let dims = Dims { batch: 1, height: 6, width: 7, channels: 9 };
        let case = Case { dims, outputs: 9, window: Window { groups, ..Window::square(3, 1, 1) } };
        let weights = numbers(case.weights(), 2);
        let mut expected = vec![0f64; case.output().len()];
        case.products(|input, weight, output| {
            expected[output] += f64::from(values[input]) * f64::from(weights[weight]);
        });
        let mut found = vec![0.0; expected.len()];
        let epilogue = Epilogue { activation: Some(Activation::Relu), ..Epilogue::default() };
        let parts = [Part { data: &values[..], channels: 9, doubled: false }];
        let input = part(dims, &parts);
        match kernel {
            Kernel::Winograd => {
                let weights = winograd::for_forward(&weights, 9);
                winograd::forward(&input, &weights, [1, 1], case.output(), epilogue, &mut found);
            }
            Kernel::Direct => {
                let packed = direct::for_forward(&input, &weights, &case.window);
                direct::forward(&input, &packed, &case.window, epilogue, &mut found);
            }
            Kernel::Depthwise => {
                depthwise::forward(&values, dims, &weights, &case.window, epilogue, &mut found);
            }
        }
        for (found, expected) in found.iter().zip(expected) {
            prop_assert!(!expected.is_nan() || found.is_nan(), "{found} for {expected}");
        }
    }
}

#[test]
fn channels_from_one_to_513_make_no_difference() {
    for channels in [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 127, 255, 256, 257, 511, 512, 513] {
        let dims = Dims { batch: 1, height: 5, width: 3, channels };
        let case = |outputs, window| Case { dims, outputs, window };
        case(3, Window::square(1, 1, 0)).check(Kernel::Direct);
        case(11, Window::square(3, 2, 1)).check(Kernel::Direct);
        case(11, Window::square(3, 1, 1)).check(Kernel::Winograd);
        if channels > 1 {
            let window = Window { groups: channels, ..Window::square(3, 1, 1) };
            case(channels, window).check(Kernel::Depthwise);
        }
    }
}

#[test]
fn every_result_is_the_same_to_the_bit_for_any_number_of_threads() {
    let dims = Dims { batch: 3, height: 37, width: 41, channels: 24 };
    let results = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let device = Device::flex().autodiff();
            let values = numbers(dims.len(), 5);
            let maps = maps(&values, dims, &device).require_grad();
            let same = with_numbers(conv([24, 16], 3, 1, true));
            let strided = with_numbers(conv([16, 16], 3, 2, false));
            let norm = BatchNormConfig::new(16).init(&device);
            let x = super::conv2d(&same, maps.clone(), After::relu());
            let x = super::conv2d_batch_norm(&strided, &norm, x, After::relu());
            let loss = (x.clone() * x.clone()).mean();
            let gradients = loss.backward();
            let of = |tensor: Option<Tensor<4>>| floats(tensor.expect("it has a gradient"));
            [
                floats(x.inner()),
                of(maps.grad(&gradients)),
                of(same.weight.grad(&gradients)),
                of(strided.weight.grad(&gradients)),
                floats(norm.gamma.grad(&gradients).expect("it has a gradient")),
                floats(same.bias.as_ref().unwrap().grad(&gradients).expect("it has a gradient")),
            ]
        })
    };
    let one = results(1);
    for threads in [2, 3, 8] {
        let bits = |all: &[Vec<f32>; 6]| -> Vec<u32> {
            all.iter().flatten().map(|value| value.to_bits()).collect()
        };
        assert!(bits(&results(threads)) == bits(&one), "{threads} threads");
    }
}

/// The layer with weights that do not depend on what other tests draw from the device.
fn with_numbers(conv: Conv2d) -> Conv2d {
    fn of<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
        let shape = tensor.dims();
        let values = numbers(shape.iter().product(), 11);
        let values = Tensor::<1>::from_floats(&values[..], &tensor.device());
        values.reshape(shape).require_grad()
    }
    let bias = conv.bias.map(|bias| bias.map(of));
    Conv2d { weight: conv.weight.map(of), bias, ..conv }
}

fn maps(values: &[f32], dims: Dims, device: &Device) -> Tensor<4> {
    let shape = [dims.batch, dims.channels, dims.height, dims.width];
    Tensor::<1>::from_floats(values, device).reshape(shape)
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Runs an operator and Burn's own on the same maps, and the operator on a GPU where tests are to use one, and compares
/// output and gradients: of the maps and of everything in the module.
fn compare<M: Module>(
    name: &str,
    inputs: &[[usize; 4]],
    module: &M,
    ours: impl Fn(&M, &[Tensor<4>]) -> Tensor<4>,
    theirs: impl Fn(&M, &[Tensor<4>]) -> Tensor<4>,
) {
    let run = |operator: &dyn Fn(&M, &[Tensor<4>]) -> Tensor<4>, device: Device| {
        let (module, device) = (module.clone().fork(&device), device);
        let maps: Vec<Tensor<4>> = inputs
            .iter()
            .enumerate()
            .map(|(index, &[batch, channels, height, width])| {
                let dims = Dims { batch, channels, height, width };
                maps(&numbers(dims.len(), 7 + index as u32), dims, &device).require_grad()
            })
            .collect();
        let output = operator(&module, &maps);
        let shape = output.dims();
        let weights = Tensor::<1>::from_floats(&numbers(shape.iter().product(), 4)[..], &device);
        let gradients = (output.clone() * weights.reshape(shape)).sum().backward();
        let mut found = vec![floats(output.inner())];
        found.extend(maps.iter().map(|maps| floats(maps.grad(&gradients).expect("it is read"))));
        let mut parameters = Parameters { gradients: &gradients, found };
        module.visit(&mut parameters);
        parameters.found
    };
    let of_burn = run(&theirs, Device::flex().autodiff());
    let devices = [Some(Device::flex()), testing::gpu()].into_iter().flatten();
    for device in devices.map(Device::autodiff) {
        let found = run(&ours, device.clone());
        assert_eq!(found.len(), of_burn.len());
        for (index, (ours, theirs)) in found.iter().zip(&of_burn).enumerate() {
            let theirs: Vec<f64> = theirs.iter().map(|&value| f64::from(value)).collect();
            assert_close(&format!("{name} on {device:?}, result {index}"), ours, &theirs);
        }
    }
}

struct Parameters<'a> {
    gradients: &'a burn::tensor::Gradients,
    found: Vec<Vec<f32>>,
}

impl burn::module::ModuleVisitor for Parameters<'_> {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.found.push(floats(gradient));
        }
    }
}

fn conv(channels: [usize; 2], kernel: usize, stride: usize, bias: bool) -> Conv2d {
    let device = Device::flex().autodiff();
    Conv2dConfig::new(channels, [kernel; 2])
        .with_stride([stride; 2])
        .with_padding(PaddingConfig2d::Same)
        .with_bias(bias)
        .with_initializer(Initializer::Uniform { min: -0.3, max: 0.3 })
        .init(&device)
}

#[test]
fn convolutions_of_one_and_two_maps_are_burns() {
    for &(kernel, stride) in testing::few(&[(3, 1), (3, 2), (1, 1), (5, 3)]) {
        let shapes = [[2, 9, 10, 14]];
        let conv = conv([9, 17], kernel, stride, true);
        let after = After::relu;
        compare(
            "conv",
            &shapes,
            &conv,
            |conv, maps| super::conv2d(conv, maps[0].clone(), after()),
            |conv, maps| standard::after(conv.forward(maps[0].clone()), after()),
        );
        compare(
            "conv and another activation",
            &shapes,
            &conv,
            |conv, maps| super::conv2d(conv, maps[0].clone(), After::silu()),
            |conv, maps| standard::after(conv.forward(maps[0].clone()), After::silu()),
        );
    }
    let joined: &[(usize, &[usize], usize)] = &[
        (3, &[8, 16], 12),
        (3, &[8, 4, 20, 16, 4], 6),
        (1, &[3, 5], 6),
        (3, &[20, 12], 7),
        (1, &[2, 3, 4], 5),
        (3, &[1, 2, 3, 4, 5, 6], 4),
    ];
    for &(kernel, channels, size) in testing::few(joined) {
        let conv = conv([channels.iter().sum(), 12], kernel, 1, true);
        let shape = |(index, &channels): (usize, &usize)| {
            let size = if index == 0 { size } else { 2 * size };
            [2, channels, size, size]
        };
        let shapes: Vec<[usize; 4]> = channels.iter().enumerate().map(shape).collect();
        let input =
            |maps: &[Tensor<4>]| Input::row(Source::doubled(maps[0].clone()), maps[1..].to_vec());
        compare(
            "doubled and concatenated",
            &shapes,
            &conv,
            |conv, maps| super::conv2d(conv, input(maps), After::nothing()),
            |conv, maps| conv.forward(input(maps).into_maps()),
        );
    }
}

#[test]
fn depthwise_convolutions_are_burns() {
    let device = Device::flex().autodiff();
    for &(kernel, stride) in testing::few(&[(3, 1), (5, 2), (7, 1)]) {
        let conv: Conv2d = Conv2dConfig::new([8, 8], [kernel; 2])
            .with_groups(8)
            .with_stride([stride; 2])
            .with_padding(PaddingConfig2d::Same)
            .init(&device);
        compare(
            "depthwise",
            &[[2, 8, 10, 14]],
            &conv,
            |conv, maps| super::conv2d(conv, maps[0].clone(), After::nothing()),
            |conv, maps| conv.forward(maps[0].clone()),
        );
    }
}

#[test]
fn pooling_to_means_is_the_same_on_a_gpu() {
    let nothing: Vec<Conv2d> = Vec::new();
    let shape = [[2, 6, 9, 12]];
    let halved = |_: &Vec<Conv2d>, maps: &[Tensor<4>]| super::halve(maps[0].clone());
    compare("means of 2x2", &shape, &nothing, halved, halved);
    let adaptive = |_: &Vec<Conv2d>, maps: &[Tensor<4>]| {
        burn::tensor::module::adaptive_avg_pool2d(maps[0].clone(), [7; 2])
    };
    compare("means of 7x7 parts", &shape, &nothing, adaptive, adaptive);
}

#[test]
fn norms_with_residual_and_relu_are_burns() {
    let device = Device::flex().autodiff();
    let shapes = [[3, 12, 9, 11], [3, 12, 9, 11]];
    let after = |maps: &[Tensor<4>]| After::relu().residual(maps[1].clone());
    let batch = BatchNormConfig::new(12).init(&device);
    compare(
        "batch norm",
        &shapes,
        &batch,
        |norm, maps| super::batch_norm(norm, maps[0].clone(), after(maps)),
        |norm, maps| standard::after(norm.forward(maps[0].clone()), after(maps)),
    );
    compare(
        "batch norm of gelu",
        &shapes,
        &batch,
        |norm, maps| super::gelu_batch_norm(norm, maps[0].clone(), after(maps)),
        |norm, maps| {
            let activated = burn::tensor::activation::gelu(maps[0].clone());
            standard::after(norm.forward(activated), after(maps))
        },
    );
    for after in [After::relu6, After::silu] {
        compare(
            "batch norm and another activation",
            &shapes[..1],
            &batch,
            |norm, maps| super::batch_norm(norm, maps[0].clone() * 5.0, after()),
            |norm, maps| standard::after(norm.forward(maps[0].clone() * 5.0), after()),
        );
        compare(
            "with a residual and another activation",
            &shapes,
            &batch,
            |norm, maps| {
                super::batch_norm(norm, maps[0].clone(), after().residual(maps[1].clone()))
            },
            |norm, maps| {
                let after = after().residual(maps[1].clone());
                standard::after(norm.forward(maps[0].clone()), after)
            },
        );
    }
    for groups in [1, 4, 12] {
        let norm = GroupNormConfig::new(groups, 12).init(&device);
        compare(
            "group norm",
            &shapes,
            &norm,
            |norm, maps| super::group_norm(norm, maps[0].clone(), after(maps)),
            |norm, maps| standard::after(norm.forward(maps[0].clone()), after(maps)),
        );
    }
}

#[test]
fn squeeze_and_excitation_is_that_of_convolutions() {
    let layers = vec![conv([70, 5], 1, 1, true), conv([5, 70], 1, 1, true)];
    compare(
        "excitation",
        &[[3, 70, 9, 11]],
        &layers,
        |layers, maps| super::excite(&layers[0], &layers[1], maps[0].clone()),
        |layers, maps| standard::excite(&layers[0], &layers[1], maps[0].clone()),
    );
}

#[test]
fn layer_norm_is_burns() {
    for &channels in testing::few(&[7, 1, 32, 83]) {
        let norm = LayerNormConfig::new(channels).init(&Device::flex().autodiff());
        compare(
            "layer norm",
            &[[3, channels, 9, 33]],
            &norm,
            |norm, maps| super::layer_norm(norm, maps[0].clone()),
            |norm, maps| norm.forward(maps[0].clone().permute([0, 2, 3, 1])).permute([0, 3, 1, 2]),
        );
    }
}

#[test]
fn outside_training_a_norm_is_part_of_its_convolution() {
    let device = Device::flex();
    let norm = BatchNormConfig::new(16).init(&device);
    norm.running_mean.update(Tensor::random([16], Distribution::Uniform(-1.0, 1.0), &device));
    norm.running_var.update(Tensor::random([16], Distribution::Uniform(0.5, 2.0), &device));
    let norm = norm.valid();
    let dims = Dims { batch: 2, height: 12, width: 12, channels: 16 };
    let [x, residual] =
        [1, 2].map(|seed| maps(&numbers(dims.len(), seed), dims, &device) * f64::from(seed));
    for (kernel, groups, bias) in
        [(3, 1, false), (3, 1, true), (1, 1, true), (5, 16, true), (7, 16, false)]
    {
        let conv: Conv2d = Conv2dConfig::new([16, 16], [kernel; 2])
            .with_groups(groups)
            .with_padding(PaddingConfig2d::Same)
            .with_bias(bias)
            .with_initializer(Initializer::Uniform { min: -0.3, max: 0.3 })
            .init(&device);
        let what = format!("{kernel}x{kernel} in {groups} groups");
        let same = |ours: Tensor<4>, theirs: Tensor<4>| {
            let theirs: Vec<f64> = floats(theirs).into_iter().map(f64::from).collect();
            assert_close(&what, &floats(ours), &theirs);
        };
        let plain = conv.forward(x.clone());
        for after in [After::relu, After::relu6, After::silu] {
            let ours = super::conv2d_batch_norm(&conv, &norm, x.clone(), after());
            same(ours, standard::after(norm.forward(plain.clone()), after()));
        }
        let after = || After::relu().residual(residual.clone());
        let ours = super::conv2d_gelu_batch_norm(&conv, &norm, x.clone(), after());
        let activated = burn::tensor::activation::gelu(plain);
        same(ours, standard::after(norm.forward(activated), after()));
    }
}

#[test]
fn outside_training_a_norm_alone_is_burns() {
    let device = Device::flex().autodiff();
    let norm = BatchNormConfig::new(12).init(&device);
    norm.running_mean.update(Tensor::random([12], Distribution::Uniform(-1.0, 1.0), &device));
    norm.running_var.update(Tensor::random([12], Distribution::Uniform(0.5, 2.0), &device));
    let norm = norm.valid().train();
    let norm = BatchNorm { training: norm.training.clone().with_value(false), ..norm };
    let after = |maps: &[Tensor<4>]| After::relu().residual(maps[1].clone());
    compare(
        "batch norm outside training",
        &[[3, 12, 9, 11], [3, 12, 9, 11]],
        &norm,
        |norm, maps| super::batch_norm(norm, maps[0].clone(), after(maps)),
        |norm, maps| standard::after(norm.forward(maps[0].clone()), after(maps)),
    );
}

#[test]
fn running_statistics_move_as_pytorchs_whatever_computes_them() {
    let device = Device::flex().autodiff();
    // Of 2, 4, 6 and 12 the mean is 6, the sum of squared differences 56.
    let x = Tensor::<4>::from_floats([[[[2.0, 4.0]]], [[[6.0, 12.0]]]], &device);
    type Forward = fn(&BatchNorm, Tensor<4>);
    let ways: [Forward; 2] = [
        |norm, maps| drop(super::batch_norm(norm, maps, After::nothing())),
        |norm, maps| drop(standard::batch_norm(norm, maps)),
    ];
    for forward in ways {
        let norm = BatchNormConfig::new(1).with_momentum(0.25).init(&device);
        let statistics = || {
            let [mean, variance] = [&norm.running_mean, &norm.running_var];
            [mean, variance].map(|state| floats(state.value_sync())[0])
        };
        forward(&norm, x.clone());
        // PyTorch: 0.25 * 6, and 0.75 * 1 + 0.25 * 56 / 3.
        assert_close("after a batch", &statistics(), &[1.5, 65.0 / 12.0]);
        forward(&norm, x.clone());
        // 0.75 * 1.5 + 1.5, and 0.75 * 5.41667 + 0.25 * 56 / 3.
        assert_close("after two", &statistics(), &[2.625, 8.729_166_7]);
        // A batch of one number has no variance of a sample.
        forward(&norm, x.clone().slice([0..1, 0..1, 0..1, 0..1]));
        assert!(statistics().iter().all(|value| value.is_finite()));
    }
}

#[test]
fn transposed_convolutions_are_burns() {
    let device = Device::flex().autodiff();
    for &(kernel, stride) in testing::few(&[(2, 2), (3, 2), (3, 1)]) {
        let conv: ConvTranspose2d =
            ConvTranspose2dConfig::new([10, 6], [kernel; 2]).with_stride([stride; 2]).init(&device);
        compare(
            "transposed",
            &[[2, 10, 5, 7]],
            &conv,
            |conv, maps| super::conv_transpose2d(conv, maps[0].clone()),
            |conv, maps| conv.forward(maps[0].clone()),
        );
    }
}

#[test]
fn operators_without_weights_are_burns() {
    let nothing: Vec<Conv2d> = Vec::new();
    for (kernel, stride, padding) in [(2, 2, 0), (3, 2, 1)] {
        compare(
            "max pool",
            &[[2, 9, 8, 12]],
            &nothing,
            |_, maps| super::max_pool2d(maps[0].clone(), kernel, stride, padding),
            |_, maps| standard::max_pool2d(maps[0].clone(), kernel, stride, padding),
        );
    }
    compare(
        "bilinear",
        &[[2, 9, 5, 7]],
        &nothing,
        |_, maps| super::bilinear(maps[0].clone()),
        |_, maps| standard::bilinear(maps[0].clone(), 2),
    );
    for times in [4, 8] {
        compare(
            "bilinear, several times",
            &[[2, 9, 5, 1]],
            &nothing,
            |_, maps| super::enlarge(maps[0].clone(), times),
            |_, maps| standard::bilinear(maps[0].clone(), times),
        );
    }
    compare(
        "gate",
        &[[2, 9, 6, 8], [2, 1, 3, 4]],
        &nothing,
        |_, maps| super::gate(maps[0].clone(), maps[1].clone()),
        |_, maps| standard::nearest(maps[1].clone()) * maps[0].clone(),
    );
    compare(
        "means",
        &[[2, 70, 9, 11]],
        &nothing,
        |_, maps| super::average(maps[0].clone()),
        |_, maps| standard::average(maps[0].clone()),
    );
    compare(
        "halves",
        &[[2, 9, 8, 12]],
        &nothing,
        |_, maps| super::halve(maps[0].clone()),
        |_, maps| standard::halve(maps[0].clone()),
    );
    compare(
        "factors of channels",
        &[[2, 70, 9, 11], [2, 70, 1, 1]],
        &nothing,
        |_, maps| super::weigh(maps[0].clone(), maps[1].clone()),
        |_, maps| maps[0].clone() * maps[1].clone(),
    );
    compare(
        "sum",
        &[[2, 9, 6, 8], [2, 9, 6, 8]],
        &nothing,
        |_, maps| super::add(maps[0].clone(), maps[1].clone()),
        |_, maps| maps[0].clone() + maps[1].clone(),
    );
    compare(
        "concatenation",
        &[[2, 9, 18, 17], [2, 5, 18, 17]],
        &nothing,
        |_, maps| super::concat(maps[0].clone(), maps[1].clone()),
        |_, maps| Tensor::cat(maps.to_vec(), 1),
    );
    compare(
        "gelu",
        &[[2, 9, 6, 8]],
        &nothing,
        |_, maps| super::gelu(maps[0].clone() * 4.0),
        |_, maps| burn::tensor::activation::gelu(maps[0].clone() * 4.0),
    );
    compare(
        "relu",
        &[[2, 9, 6, 8]],
        &nothing,
        |_, maps| super::relu(maps[0].clone()),
        |_, maps| burn::tensor::activation::relu(maps[0].clone()),
    );
}

#[test]
fn dropout_drops_its_share_in_training_only_and_its_gradient_the_same_numbers() {
    let device = Device::flex().autodiff();
    let mut conv = conv([4, 8], 1, 1, true);
    conv.bias =
        conv.bias.map(|bias| bias.map(|bias| bias.add_scalar(100.0).detach().require_grad()));
    let dropout = DropoutConfig::new(0.4).init();
    // So many numbers that a hundredth is five standard deviations of the share that is dropped.
    let dims = Dims { batch: 2, height: 64, width: 64, channels: 4 };
    let x = maps(&numbers(dims.len(), 1), dims, &device).require_grad();
    let after = || After::relu().dropout(&dropout);
    let output = super::conv2d(&conv, x.clone(), after());
    let values = floats(output.clone().inner());
    let dropped = values.iter().filter(|&&value| value == 0.0).count() as f64 / values.len() as f64;
    assert!((dropped - 0.4).abs() < 0.01, "{dropped}");
    let gradients = output.sum().backward();
    let of_bias: f32 = floats(conv.bias.as_ref().unwrap().grad(&gradients).unwrap()).iter().sum();
    let kept = values.iter().filter(|&&value| value > 0.0).count() as f32;
    assert!((of_bias / (kept / 0.6) - 1.0).abs() < 1e-4, "{of_bias} for {kept}");
    assert_ne!(floats(super::conv2d(&conv, x.clone(), after()).inner()), values);
    // And where the convolution is run again for its gradient.
    let again = Device::flex().autodiff().gradient_checkpointing();
    let block = Conv2dConfig::new([4, 8], [1; 2]).with_initializer(Initializer::Ones).init(&again);
    let ones = Tensor::<4>::ones([2, 4, 32, 32], &again);
    let probability = dropout.prob;
    let output = super::block(&block, ones.into(), move |conv, input| {
        let dropout = DropoutConfig::new(probability).init();
        super::conv2d(conv, input, After::relu().dropout(&dropout))
    });
    let kept = floats(output.clone().inner()).iter().filter(|&&value| value > 0.0).count() as f32;
    let gradients = output.sum().backward();
    let of_bias: f32 = floats(block.bias.as_ref().unwrap().grad(&gradients).unwrap()).iter().sum();
    assert!((of_bias / (kept / 0.6) - 1.0).abs() < 1e-4, "{of_bias} for {kept}");
    let outside = super::conv2d(&conv.valid(), x.inner(), after());
    assert!(floats(outside).iter().all(|&value| value > 0.0));
}

#[test]
fn weights_kept_in_form_follow_a_change() {
    let device = Device::flex();
    let conv = conv([8, 8], 3, 1, false).valid();
    let dims = Dims { batch: 1, height: 32, width: 32, channels: 8 };
    let x = maps(&numbers(dims.len(), 1), dims, &device);
    let first = floats(super::conv2d(&conv, x.clone(), After::nothing()));
    assert_eq!(floats(super::conv2d(&conv, x.clone(), After::nothing())), first);
    let mut twice = conv.clone();
    twice.weight = twice.weight.map(|weight| weight * 2.0);
    drop(conv);
    let second = floats(super::conv2d(&twice, x, After::nothing()));
    let expected: Vec<f64> = first.iter().map(|&value| 2.0 * f64::from(value)).collect();
    assert_close("after the change", &second, &expected);
}
