//! Eigenvectors of a covariance of three colours.

/// As many sweeps as no matrix of three rows needs; most need four.
const SWEEPS: usize = 32;

/// Eigenvectors of the largest and the second eigenvalue of a symmetric matrix, of length 1, by Jacobi's rotations
/// (Golub and Van Loan, *Matrix Computations*, 8.5). Their signs mean nothing.
pub(super) fn two_largest(mut matrix: [[f64; 3]; 3]) -> [[f64; 3]; 2] {
    let mut vectors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..SWEEPS {
        let beside = [matrix[0][1], matrix[0][2], matrix[1][2]];
        if beside == [0.0; 3] {
            break;
        }
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            rotate(&mut matrix, &mut vectors, p, q);
        }
    }
    let mut order = [0, 1, 2];
    order.sort_by(|&a, &b| matrix[b][b].total_cmp(&matrix[a][a]));
    [order[0], order[1]].map(|column| vectors.map(|row| row[column]))
}

/// Turns rows and columns `p` and `q` so that what they share becomes 0; `vectors` has eigenvectors as columns.
fn rotate(matrix: &mut [[f64; 3]; 3], vectors: &mut [[f64; 3]; 3], p: usize, q: usize) {
    if matrix[p][q] == 0.0 {
        return;
    }
    let half = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
    let tangent = half.signum() / (half.abs() + half.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let turn = |row: &mut [f64; 3]| {
        let (a, b) = (row[p], row[q]);
        (row[p], row[q]) = (cosine * a - sine * b, sine * a + cosine * b);
    };
    matrix.iter_mut().for_each(turn);
    let (a, b) = (matrix[p], matrix[q]);
    let columns = [0, 1, 2];
    matrix[p] = columns.map(|column| cosine * a[column] - sine * b[column]);
    matrix[q] = columns.map(|column| sine * a[column] + cosine * b[column]);
    (matrix[p][q], matrix[q][p]) = (0.0, 0.0);
    vectors.iter_mut().for_each(turn);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times(matrix: [[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
    }

    fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn a_diagonal_has_its_axes_in_the_order_of_their_values() {
        let found = two_largest([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 5.0]]);
        assert_eq!(found, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
        assert!(two_largest([[0.0; 3]; 3]).iter().flatten().all(|value| value.is_finite()));
    }

    #[test]
    fn ones_beside_twos_have_the_eigenvalues_three_and_one() {
        // [[2, 1], [1, 2]] has (1, 1) with 3 and (1, -1) with 1; the third axis has 2.
        let [first, second] = two_largest([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 2.0]]);
        let root = 0.5f64.sqrt();
        assert!((dot(first, [root, root, 0.0]).abs() - 1.0).abs() < 1e-12, "{first:?}");
        assert!((dot(second, [0.0, 0.0, 1.0]).abs() - 1.0).abs() < 1e-12, "{second:?}");
    }

    proptest! {
        #[test]
        fn eigenvectors_are_only_stretched_and_the_first_the_most(
            rows in prop::array::uniform3(prop::array::uniform3(-2.0f64..2.0)),
        ) {
            // A Gram matrix, as covariances are.
            let matrix = rows.map(|row| times(rows, row));
            let found = two_largest(matrix);
            let values = found.map(|vector| dot(vector, times(matrix, vector)));
            prop_assert!(values[0] >= values[1]);
            let trace = matrix[0][0] + matrix[1][1] + matrix[2][2];
            prop_assert!(trace - values[0] - values[1] <= values[1] + 1e-9);
            prop_assert!(dot(found[0], found[1]).abs() < 1e-9);
            for (vector, value) in found.iter().zip(values) {
                prop_assert!((dot(*vector, *vector) - 1.0).abs() < 1e-12);
                for (a, b) in times(matrix, *vector).iter().zip(vector) {
                    prop_assert!((a - value * b).abs() < 1e-9, "{:?}", found);
                }
            }
        }
    }
}
