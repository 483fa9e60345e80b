//~ may write equal values as different bytes
//~ on a `RedisSet` use `contains_equal` and `remove_equal`, which decode the members
use redis_collections::{Pickle, RedisSet, Result};

pub fn is_known(names: &RedisSet<Pickle<String>>) -> Result<bool> {
    names.contains(&"ann".to_owned())
}
