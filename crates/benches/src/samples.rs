//! What rounds have measured.

/// One figure of each round.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The values between which the middle half of the rounds is.
    pub fn quartiles(&self) -> [f64; 2] {
        [self.quantile(0.25), self.quantile(0.75)]
    }

    /// Divides, round by round: what slowed a round down concerns both sides.
    pub fn over(&self, other: &Self) -> Self {
        self.0.iter().zip(&other.0).map(|(ours, other)| ours / other).collect()
    }

    /// The same in a unit that is so many times as large.
    pub fn per(&self, unit: f64) -> Self {
        self.0.iter().map(|figure| figure / unit).collect()
    }

    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// The figure below which this share of the rounds is.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * share).round() as usize]
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(figures: I) -> Self {
        Self(figures.into_iter().collect())
    }
}

/// Measures all contestants once in every round, so that whatever else the machine does meets all
/// alike. Every round begins with another one.
pub fn in_turns<T, const N: usize>(
    contestants: impl IntoIterator<Item = T>,
    rounds: usize,
    mut measure: impl FnMut(&mut T) -> [f64; N],
) -> Vec<[Samples; N]> {
    let mut contestants: Vec<_> = contestants.into_iter().collect();
    let count = contestants.len();
    let mut all = vec![[const { Vec::new() }; N]; count];
    for round in 0..rounds {
        for index in (0..count).map(|turn| (turn + round) % count) {
            let figures = measure(&mut contestants[index]);
            all[index].iter_mut().zip(figures).for_each(|(samples, figure)| samples.push(figure));
        }
    }
    all.into_iter().map(|figures| figures.map(Samples)).collect()
}
