//! Requests that go to several servers at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::Value;

use super::redirects::Trip;
use super::retry_decision::Verdict;
use super::router::{Router, asking, lacks_source};
use crate::connection::{Fault, Outcome};
use crate::connection::{Node, repeatable};
use crate::error::Result;
use crate::protocol::{Form, Line};
use crate::request::Request;
use crate::time::Deadline;
use crate::time::together;
use crate::topology::Destination;

/// Where the keys of a request lie.
enum Parts {
    /// In one slot, if there are keys.
    One(Option<u16>),
    /// In several slots, each with the positions of its keys.
    Several(BTreeMap<u16, Vec<usize>>),
}

/// A command on its way, among others.
struct Errand<'a> {
    line: Line<'a>,
    /// The slot it is about, if any.
    home: Option<u16>,
    to: Destination,
    asking: bool,
    /// The address of the server that was asked last.
    asked: String,
    outcome: Outcome<Value>,
}

impl<N: Node> Router<N> {
    /// The replies to all of `requests`, each of which is divided where its keys lie apart. Those
    /// for one server travel together, and the servers work at the same time.
    pub(crate) async fn call_each(&self, requests: &[&Request]) -> Vec<Result<Value>> {
        let parts: Vec<_> = requests.iter().map(|request| self.parts(request)).collect();
        let mut errands = Vec::with_capacity(requests.len());
        for (&request, parts) in requests.iter().zip(&parts) {
            match parts {
                Ok(Parts::One(slot)) => errands.push(Errand::new(self.line(request), *slot)),
                Ok(Parts::Several(parts)) => errands.extend(parts.iter().map(|(slot, keys)| {
                    let line = Line { part: Some(keys), ..self.line(request) };
                    Errand::new(line, Some(*slot))
                })),
                Err(_) => {}
            }
        }
        self.deliver(&mut errands).await;
        let outcomes: Vec<_> = errands.into_iter().map(|errand| errand.outcome).collect();
        let mut outcomes = outcomes.into_iter();
        let replies = requests.iter().zip(parts).map(|(request, parts)| {
            let error = |fault: Fault| fault.into_error(|| request.attempt());
            let mut next = || outcomes.next().unwrap_or(Ok(Value::Nil)).map_err(error);
            match (parts?, request.gather()) {
                (Parts::Several(parts), Some(gather)) => {
                    let replies = parts.into_values().map(|keys| (keys, next()));
                    request.gathered(gather, replies)
                }
                _ => next(),
            }
        });
        replies.collect()
    }

    /// The reply of all servers.
    pub(crate) async fn call_everywhere(&self, request: &Request) -> Result<Value> {
        let line = self.line(request);
        let mut trip = Trip::to(Destination::Slot(None), self.servers.deadline());
        loop {
            let topology = self.servers.topology(trip.deadline).await?;
            let mut nodes = Vec::new();
            for server in topology.servers() {
                let to = Destination::Address(server.clone());
                nodes.push(self.servers.node(&to, trip.deadline).await);
            }
            let asked = nodes.iter().map(async |node| match node {
                Ok(node) => node.call(line, trip.deadline).await,
                Err(fault) => Err(fault.clone()),
            });
            let replies = together(asked).await;
            let verdicts = replies.iter().map(|reply| self.verdict(reply, line));
            let worst = verdicts.fold(Verdict::Final, Verdict::or);
            if !trip.goes_on(&self.servers, worst).await {
                let error = |fault: Fault| fault.into_error(|| request.attempt());
                let replies = replies.into_iter().map(|reply| (Vec::new(), reply.map_err(error)));
                return match request.gather() {
                    Some(gather) => request.gathered(gather, replies),
                    None => Ok(Value::Nil),
                };
            }
        }
    }

    fn verdict(&self, outcome: &Outcome<Value>, line: Line<'_>) -> Verdict {
        match outcome {
            Ok(reply) => Verdict::on(reply),
            Err(fault) => self.without_reply(fault, repeatable(&[line])),
        }
    }

    fn parts(&self, request: &Request) -> Result<Parts> {
        if !self.servers.is_cluster() {
            return Ok(Parts::One(None));
        }
        match (request.slot(), request.gather()) {
            (Err(_), Some(_)) => Ok(Parts::Several(request.keys_by_slot())),
            (slot, _) => slot.map(Parts::One),
        }
    }

    /// Brings all errands to their servers until each has an outcome that stays.
    async fn deliver(&self, errands: &mut [Errand<'_>]) {
        let mut trip = Trip::to(Destination::Slot(None), self.servers.deadline());
        let mut left: Vec<usize> = (0..errands.len()).collect();
        while !left.is_empty() {
            self.go_round(errands, &left, trip.deadline).await;
            self.go_round_with_sources(errands, &left, trip.deadline).await;
            let verdict = |&index: &usize| {
                let errand: &Errand<'_> = &errands[index];
                self.verdict(&errand.outcome, errand.line).completed(&errand.asked)
            };
            let verdicts: Vec<_> = left.iter().map(verdict).collect();
            let worst = verdicts.iter().cloned().fold(Verdict::Final, Verdict::or);
            if !trip.goes_on(&self.servers, worst).await {
                return;
            }
            let redirected = matches!(trip.destination, Destination::Address(_));
            let mut again = Vec::new();
            for (index, verdict) in left.into_iter().zip(verdicts) {
                if verdict != Verdict::Final {
                    errands[index].turn(verdict, redirected);
                    again.push(index);
                }
            }
            left = again;
        }
    }

    /// Brings those of the `left` errands again whose script the server does not know, because it
    /// refused what came with the source.
    async fn go_round_with_sources(
        &self,
        errands: &mut [Errand<'_>],
        left: &[usize],
        deadline: Deadline,
    ) {
        let unknown = |&index: &usize| {
            let errand: &Errand<'_> = &errands[index];
            errand.outcome.as_ref().is_ok_and(|reply| lacks_source(errand.line, reply))
        };
        let unknown: Vec<usize> = left.iter().copied().filter(unknown).collect();
        for &index in &unknown {
            errands[index].line.form = Form::WithSource;
        }
        self.go_round(errands, &unknown, deadline).await;
    }

    /// One round trip to each server that any of the `left` errands is for.
    async fn go_round(&self, errands: &mut [Errand<'_>], left: &[usize], deadline: Deadline) {
        let mut groups: Vec<(Arc<N>, Vec<usize>)> = Vec::new();
        for &index in left {
            match self.servers.node(&errands[index].to, deadline).await {
                Err(fault) => errands[index].outcome = Err(fault),
                Ok(node) => {
                    errands[index].asked.clone_from(&node.connector().address);
                    match groups.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &node)) {
                        Some((_, group)) => group.push(index),
                        None => groups.push((node, vec![index])),
                    }
                }
            }
        }
        // Threads that need several connections take them in the same order.
        groups.sort_by(|(one, _), (other, _)| {
            one.connector().address.cmp(&other.connector().address)
        });
        let lines: Vec<_> = groups.iter().map(|(_, group)| lines(errands, group)).collect();
        let sent = groups.iter().zip(&lines);
        let sent = sent.map(|((node, _), lines)| node.call_many(lines, deadline));
        let replies = together(sent).await;
        drop(lines);
        for ((_, group), replies) in groups.into_iter().zip(replies) {
            let mut replies = replies.map(Vec::into_iter);
            for index in group {
                let skipped = usize::from(errands[index].asking);
                errands[index].outcome = match &mut replies {
                    Ok(replies) => Ok(replies.nth(skipped).unwrap_or(Value::Nil)),
                    Err(fault) => Err(fault.clone()),
                };
            }
        }
    }
}

impl<'a> Errand<'a> {
    fn new(line: Line<'a>, slot: Option<u16>) -> Self {
        let (home, to, asking, asked) = (slot, Destination::Slot(slot), false, String::new());
        Self { line, home, to, asking, asked, outcome: Ok(Value::Nil) }
    }

    /// Turns to where `verdict` says, or back home.
    fn turn(&mut self, verdict: Verdict, redirected: bool) {
        (self.to, self.asking) = match verdict {
            Verdict::Ask(address) if redirected => (Destination::Address(address.into()), true),
            Verdict::Moved(address) if redirected => (Destination::Address(address.into()), false),
            _ => (Destination::Slot(self.home), false),
        };
    }
}

/// What is sent for a group of errands. The first use of a script goes with its source, so that the
/// server has it.
fn lines<'a>(errands: &[Errand<'a>], group: &[usize]) -> Vec<Line<'a>> {
    let mut loaded: Vec<&str> = Vec::new();
    let mut lines = Vec::with_capacity(group.len());
    for errand in group.iter().map(|&index| &errands[index]) {
        lines.extend(errand.asking.then(asking));
        lines.push(with_source_once(errand.line, &mut loaded));
    }
    lines
}

/// `line`, with its source if it is a script that is not `loaded` yet.
pub(crate) fn with_source_once<'a>(line: Line<'a>, loaded: &mut Vec<&'a str>) -> Line<'a> {
    match line.script() {
        Some(script) if !loaded.contains(&&script.hash[..]) => {
            loaded.push(&script.hash);
            Line { form: Form::WithSource, ..line }
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::io;
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    use super::*;
    use crate::connection::Connector;
    use crate::connection::Ears;
    use crate::connection::Solitary;
    use crate::connection::Watch;
    use crate::keys::Gather;
    use crate::time::Signal;
    use crate::time::finish;
    use crate::topology::Seeds;
    use crate::topology::{Origin, Servers};

    type Log = Arc<Mutex<Vec<String>>>;

    /// A node that writes down what happens to it.
    struct Noted(Connector, Log);

    impl Noted {
        fn note(&self, what: &str) {
            let note = format!("{what} {}", self.0.address);
            self.1.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        }
    }

    impl Node for Noted {
        type Settings = Log;

        fn new(connector: Connector, log: &Log) -> Self {
            Self(connector, log.clone())
        }

        fn connector(&self) -> &Connector {
            &self.0
        }

        fn call(&self, _: Line<'_>, _: Deadline) -> impl Future<Output = Outcome<Value>> + Send {
            let slots = b"*2\r\n*3\r\n:0\r\n:9999\r\n*2\r\n$1\r\na\r\n:1\r\n\
                          *3\r\n:10000\r\n:16383\r\n*2\r\n$1\r\nb\r\n:2\r\n";
            ready(redis::parse_redis_value(slots).map_err(Fault::Broken))
        }

        fn call_many(
            &self,
            lines: &[Line<'_>],
            _: Deadline,
        ) -> impl Future<Output = Outcome<Vec<Value>>> + Send {
            self.note("sent to");
            let replies = lines.iter().map(|line| line.part.map_or(1, <[usize]>::len));
            let replies = replies.map(|keys| Value::Array(vec![Value::Int(7); keys])).collect();
            async move {
                self.note("read from");
                Ok(replies)
            }
        }

        async fn call_alone(
            &self,
            lines: &[Line<'_>],
            deadline: Deadline,
            _: &mut Solitary,
        ) -> Outcome<Vec<Value>> {
            self.call_many(lines, deadline).await
        }

        async fn wait(&self, _: &[Line<'_>], _: Duration, _: &dyn Watch) -> Outcome<Value> {
            Ok(Value::Nil)
        }

        async fn pause(_: Duration) {}

        fn distrust(&self) {}

        type Listening = ();

        async fn ask(&self, (): &(), _: Deadline) -> Outcome<()> {
            Ok(())
        }

        async fn listen(
            &self,
            _: &[Line<'_>],
            _: Arc<dyn Ears>,
            _: (Duration, bool),
            _: Deadline,
        ) -> Outcome<((), Vec<Value>)> {
            Ok(((), Vec::new()))
        }

        fn spawn(_: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
            Ok(())
        }

        async fn rest(_: &Signal, _: Duration) {}
    }

    #[test]
    fn everything_is_sent_before_the_first_reply_is_waited_for() {
        let log = Log::default();
        let connector = Connector::new("redis://seed:1/").unwrap();
        let seeds = Seeds::new(vec![Noted::new(connector.clone(), &log)]);
        let origin = Origin::Cluster(seeds);
        let servers = Servers::found(origin, connector, log.clone(), Duration::from_secs(1));
        let router: Router<Noted> = Router::new(servers);
        let keys = (0..100).map(|key| format!("key {key}"));
        let mget = Request::read("MGET").divisible(Gather::InOrder);
        let mget = keys.fold(mget, |mget, key| mget.key(key.as_bytes()));
        let values = finish(router.call(&mget)).unwrap();
        assert_eq!(values, Value::Array(vec![Value::Int(7); 100]));
        let log = log.lock().unwrap();
        assert_eq!(*log, ["sent to a:1", "sent to b:2", "read from a:1", "read from b:2"]);
    }
}
