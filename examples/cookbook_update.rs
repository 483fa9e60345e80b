use redis_collections::{Client, Json, LocalServer, RedisDict};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;

    // The server adds numbers.
    let stock: RedisDict<String, i64> = RedisDict::new(&client, "stock");
    assert_eq!(stock.increment("apples", 10)?, 10);

    // For other values, `update` calls a function again until no other client was faster.
    let names: RedisDict<String, Json<Vec<String>>> = RedisDict::new(&client, "names");
    let names_now = names.update("club", |old| {
        let mut names = old.unwrap_or_default();
        names.push("Ann".into());
        Some(names)
    })?;
    assert_eq!(names_now, Some(vec!["Ann".to_owned()]));

    // The first caller makes the value, and all callers get the same.
    let token = names.get_or_insert_with("admins", || vec!["Bob".to_owned()])?;
    assert_eq!(token, ["Bob"]);
    Ok(())
}
