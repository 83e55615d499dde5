//! Metrics of classified images: functions of their confusion, or of their ranking by the probability of a class.

/// What a metric of classified images is made of.
#[derive(Clone, Copy, Debug)]
pub enum OfImages {
    /// One number for all images.
    All {
        /// Its formula.
        value: fn(&ImageConfusion) -> Option<f64>,
        /// Whether it depends on every class, so that it is another figure where a class has no image.
        of_classes: bool,
    },
    /// A number for each class against all others, and their mean.
    Classes {
        /// Its formula.
        value: OfClass,
        /// Which classes the mean is over.
        mean: MeanOver,
        /// The images that the number of a class depends on; the first are those that it is a part of.
        seen: &'static [Side],
    },
}

/// A number of one class against all others.
#[derive(Clone, Copy, Debug)]
pub enum OfClass {
    /// Of counts.
    Counts(fn(&Against) -> Option<f64>),
    /// Of the images of the class and of others at each probability of it, from the highest down.
    Ranking(fn(&[[f64; 2]]) -> Option<f64>),
}

/// Images, seen from a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those of the class.
    Class,
    /// Those of all others.
    Others,
    /// Those that are predicted as the class.
    Predicted,
}

/// Classes that a mean is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeanOver {
    /// Those in truth or prediction; what is undefined is 0 (scikit-learn's `average="macro"`, `zero_division=0`).
    Named,
    /// Those that have images and for which the number is defined.
    Occurring,
}

impl MeanOver {
    /// The mean of the numbers of classes.
    pub fn of(
        self,
        confusion: &ImageConfusion,
        value: impl Fn(usize) -> Option<f64>,
    ) -> Option<f64> {
        let classes = 0..confusion.classes();
        match self {
            Self::Named => {
                let named = classes
                    .filter(|&class| confusion.occurs(class) || confusion.is_predicted(class));
                mean(named.map(|class| value(class).unwrap_or(0.0)))
            }
            Self::Occurring => {
                mean(classes.filter(|&class| confusion.occurs(class)).filter_map(value))
            }
        }
    }
}

/// Images by their weight, one class against all others.
#[derive(Clone, Copy, Debug)]
pub struct Against {
    /// Of the class, predicted as the class.
    pub tp: f64,
    /// Of others, predicted as the class.
    pub fp: f64,
    /// Of the class, predicted as another.
    pub fn_: f64,
    /// Of others, predicted as another.
    pub tn: f64,
}

/// The weight of images by their true and predicted class.
#[derive(Clone, Debug)]
pub struct ImageConfusion {
    /// Rows are the truth, columns the prediction.
    pub(super) rows: Vec<Vec<f64>>,
}

impl ImageConfusion {
    /// No image, of so many classes.
    pub fn new(classes: usize) -> Self {
        Self { rows: vec![vec![0.0; classes]; classes] }
    }

    /// Adds an image that counts `weight` times.
    pub fn add(&mut self, truth: usize, prediction: usize, weight: f64) {
        self.rows[truth][prediction] += weight;
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn total(&self) -> f64 {
        self.rows.iter().flatten().sum()
    }

    /// Whether a class has an image.
    pub fn occurs(&self, class: usize) -> bool {
        self.rows[class].iter().sum::<f64>() > 0.0
    }

    /// A class against all others.
    pub fn against(&self, class: usize) -> Against {
        let tp = self.rows[class][class];
        let fn_ = self.rows[class].iter().sum::<f64>() - tp;
        let fp = self.rows.iter().map(|row| row[class]).sum::<f64>() - tp;
        Against { tp, fp, fn_, tn: self.total() - tp - fp - fn_ }
    }

    /// Whether an image is predicted as a class.
    pub fn is_predicted(&self, class: usize) -> bool {
        self.rows.iter().any(|row| row[class] > 0.0)
    }

    /// The weight of what is predicted correctly.
    pub(super) fn right(&self) -> f64 {
        (0..self.classes()).map(|class| self.rows[class][class]).sum()
    }

    /// The share predicted correctly.
    pub(super) fn accuracy(&self) -> Option<f64> {
        ratio(self.right(), self.total())
    }

    /// Mean recall over the classes that have images.
    pub(super) fn mean_recall(&self) -> Option<f64> {
        MeanOver::Occurring.of(self, |class| {
            let Against { tp, fn_, .. } = self.against(class);
            ratio(tp, tp + fn_)
        })
    }
}

/// `None` where it is 0 / 0.
pub(super) fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0.0);
    for value in values {
        sum += value;
        n += 1.0;
    }
    ratio(sum, n)
}
