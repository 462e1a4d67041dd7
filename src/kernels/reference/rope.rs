use crate::kernels::RopeKind;

/// Rotates the pairs of one head by `angles` (dims / 2, 2): cosine, sine (Su et al. 2021, arXiv 2104.09864).
/// Elements past `dims` stay.
pub(super) fn rope(head: &mut [f32], kind: RopeKind, angles: &[f32]) {
    let half = angles.len() / 2;
    for i in 0..half {
        let (cos, sin) = (angles[2 * i], angles[2 * i + 1]);
        let (a, b) = match kind {
            RopeKind::Norm => (2 * i, 2 * i + 1),
            RopeKind::Neox => (i, i + half),
        };
        let (x, y) = (head[a], head[b]);
        head[a] = x * cos - y * sin;
        head[b] = x * sin + y * cos;
    }
}
