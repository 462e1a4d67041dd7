//! A GGUF file with metadata and no tensors, written plainly.
#![allow(dead_code)] // each including test uses its part

/// The metadata, and how many keys.
pub struct Writer(Vec<u8>, u64);

impl Writer {
    pub fn new() -> Self {
        Self(Vec::new(), 0)
    }

    pub fn string(&mut self, key: &str, value: &str) {
        self.key(key, 8);
        self.text(value);
    }

    pub fn u32(&mut self, key: &str, value: u32) {
        self.key(key, 4);
        self.0.extend(value.to_le_bytes());
    }

    pub fn strings(&mut self, key: &str, values: &[String]) {
        self.array(key, 8, values.len());
        values.iter().for_each(|value| self.text(value));
    }

    pub fn i32s(&mut self, key: &str, values: &[i32]) {
        self.array(key, 5, values.len());
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    /// The file: magic, version 3, no tensors.
    pub fn finish(self) -> Vec<u8> {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend(0u64.to_le_bytes());
        file.extend(self.1.to_le_bytes());
        file.extend(self.0);
        file
    }

    fn key(&mut self, key: &str, kind: u32) {
        self.1 += 1;
        self.text(key);
        self.0.extend(kind.to_le_bytes());
    }

    fn array(&mut self, key: &str, kind: u32, count: usize) {
        self.key(key, 9);
        self.0.extend(kind.to_le_bytes());
        self.0.extend((count as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.extend((text.len() as u64).to_le_bytes());
        self.0.extend(text.as_bytes());
    }
}
