//! Where a kernel writes: all of an activation's rows, of which several workers may each write their own columns.
#![allow(unsafe_code)] // disjoint parts of one buffer; every use states its bounds

use std::marker::PhantomData;
use std::ops::Range;

/// An output of shape (rows, width) that a kernel writes columns of.
#[derive(Debug)]
pub struct Output<'a> {
    start: *mut f32,
    rows: usize,
    width: usize,
    buffer: PhantomData<&'a mut [f32]>,
}

impl<'a> Output<'a> {
    /// All of `buffer`: whole rows of `width`.
    pub fn new(buffer: &'a mut [f32], width: usize) -> Self {
        let rows = buffer.len().checked_div(width).unwrap_or(0);
        Self { start: buffer.as_mut_ptr(), rows, width, buffer: PhantomData }
    }

    /// How many elements a row has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Another handle to the same buffer, for another worker.
    ///
    /// # Safety
    /// No two handles may be asked for the same element, and none may outlive the buffer.
    pub unsafe fn share(&self) -> Self {
        Self { start: self.start, rows: self.rows, width: self.width, buffer: PhantomData }
    }

    /// Elements `columns` of row `row`.
    ///
    /// # Panics
    /// If they are outside the buffer.
    #[inline(always)]
    pub fn part(&mut self, row: usize, columns: Range<usize>) -> &mut [f32] {
        assert!(row < self.rows && columns.start <= columns.end && columns.end <= self.width);
        // SAFETY: the elements were just checked to be inside the buffer, which is borrowed for 'a; `share` leaves it to
        // its caller that no other handle is asked for them
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.width + columns.start), columns.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_where_they_belong() {
        let mut buffer = [0.0; 6];
        let mut out = Output::new(&mut buffer, 3);
        out.part(0, 1..3).fill(1.0);
        out.part(1, 0..1).fill(2.0);
        assert_eq!(buffer, [0.0, 1.0, 1.0, 2.0, 0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "row < self.rows")]
    fn nothing_outside_is_given_out() {
        Output::new(&mut [0.0; 6], 3).part(2, 0..1);
    }
}
