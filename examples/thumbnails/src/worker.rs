//! What a worker does.

use crate::BoxError;
use crate::image::Image;
use crate::store::Store;

/// Stores the thumbnail of an image. That may happen twice, and then has the same result.
pub async fn make_thumbnail(store: &Store, image: u64, width: usize) -> Result<(), BoxError> {
    let original = store.originals.get(&image).await?.ok_or("no such image")?;
    let thumbnail = Image::parse(&original)?.thumbnail(width);
    store.thumbnails.insert_with_ttl(&image, &thumbnail.to_bytes(), Store::KEPT).await?;
    Ok(())
}
