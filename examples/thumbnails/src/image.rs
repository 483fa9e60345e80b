//! Grey images in the format PGM: `P5 WIDTH HEIGHT 255`, and then a byte for each pixel.

use std::fmt;

#[derive(Debug, PartialEq)]
pub struct Image {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// Why bytes are no image.
#[derive(Debug, PartialEq)]
pub struct BadImage(pub &'static str);

impl Image {
    pub fn parse(bytes: &[u8]) -> Result<Self, BadImage> {
        let mut parts = bytes.splitn(5, u8::is_ascii_whitespace);
        let [format, width, height, depth, pixels] =
            [(); 5].map(|()| parts.next().unwrap_or_default());
        if format != b"P5" || depth != b"255" {
            return Err(BadImage("not an image that begins with P5 WIDTH HEIGHT 255"));
        }
        let (width, height) = (size(width)?, size(height)?);
        if width.checked_mul(height) != Some(pixels.len()) {
            return Err(BadImage("not WIDTH times HEIGHT pixels"));
        }
        Ok(Self { width, height, pixels: pixels.to_vec() })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let header = format!("P5 {} {} 255\n", self.width, self.height);
        [header.as_bytes(), &self.pixels].concat()
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// The mean of all pixels.
    pub fn brightness(&self) -> u8 {
        mean(self.pixels.iter())
    }

    /// The image, at most `width` wide. Each pixel is the mean of those that it replaces.
    pub fn thumbnail(&self, width: usize) -> Self {
        let width = width.clamp(1, self.width);
        let height = (self.height * width / self.width).max(1);
        let pixel = |at: usize| {
            let (x, y) = (at % width, at / width);
            let rows = y * self.height / height..(y + 1) * self.height / height;
            let columns = x * self.width / width..(x + 1) * self.width / width;
            let row = |row: usize| &self.pixels[row * self.width..][columns.clone()];
            mean(rows.flat_map(row))
        };
        Self { width, height, pixels: (0..width * height).map(pixel).collect() }
    }
}

fn size(text: &[u8]) -> Result<usize, BadImage> {
    let size = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    size.filter(|size| *size > 0).ok_or(BadImage("a size that is no positive number"))
}

fn mean<'a>(pixels: impl Iterator<Item = &'a u8>) -> u8 {
    let (sum, count) =
        pixels.fold((0, 0), |(sum, count), pixel| (sum + u64::from(*pixel), count + 1));
    u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX)
}

impl fmt::Display for BadImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for BadImage {}
