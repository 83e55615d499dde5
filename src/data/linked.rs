//! Clusters that grow together as links between items are found.

/// Each item points to one before it of its cluster, the first to itself.
pub(super) struct Linked(Vec<usize>);

impl Linked {
    /// So many items, each on its own.
    pub(super) fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    /// The first item of a cluster.
    pub(super) fn first(&mut self, mut item: usize) -> usize {
        while self.0[item] != item {
            self.0[item] = self.0[self.0[item]];
            item = self.0[item];
        }
        item
    }

    /// Whether two items are in one cluster.
    pub(super) fn joined(&mut self, a: usize, b: usize) -> bool {
        self.first(a) == self.first(b)
    }

    /// Makes one cluster of two.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b)] = a.min(b);
    }

    /// For each item the first of its cluster.
    pub(super) fn firsts(mut self) -> Vec<usize> {
        (0..self.0.len()).map(|item| self.first(item)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_carry_over_and_clusters_are_named_for_their_first() {
        let mut linked = Linked::new(5);
        linked.join(4, 3);
        linked.join(1, 4);
        assert!(linked.joined(1, 3) && !linked.joined(0, 1));
        assert_eq!(linked.firsts(), [0, 1, 2, 1, 1]);
    }
}
