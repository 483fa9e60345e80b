//! Commands in the driver's form.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, RedisWrite, Value};

use crate::protocol::Line;

/// One command, or several of one round trip.
pub(crate) enum Packed {
    One(Cmd),
    Several(redis::Pipeline),
}

impl Packed {
    pub(crate) fn new(lines: &[Line<'_>]) -> Self {
        match lines {
            [line] => Packed::One(command(line)),
            lines => {
                let mut pipeline = redis::Pipeline::new();
                for line in lines {
                    pipeline.add_command(command(line));
                }
                Packed::Several(pipeline)
            }
        }
    }

    /// Sends the commands, and returns the reply to one or an array of the replies to several.
    pub(crate) async fn exchange(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<Value> {
        match self {
            Packed::One(command) => connection.send_packed_command(command).await,
            Packed::Several(pipeline) => {
                let replies = pipeline.len();
                let replies = connection.send_packed_commands(pipeline, 0, replies);
                Box::pin(replies).await.map(Value::Array)
            }
        }
    }
}

/// Encodes one command for the driver.
pub(crate) fn command(line: &Line<'_>) -> Cmd {
    let mut command = Cmd::with_capacity(line.len(), line.size());
    line.each_argument(|argument| command.write_arg(argument));
    command
}
