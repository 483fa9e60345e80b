//! The programs in `docs/tutorial.md` are those of this package, and print what it says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use redis_collections::LocalServer;

/// Files of which the tutorial shows some lines at a time.
const IN_PARTS: [&str; 2] = ["Cargo.toml", "src/lib.rs"];

const LONGEST: Duration = Duration::from_secs(30);

/// A part of the tutorial between two fences.
struct Block {
    language: String,
    /// The file that the line above names: **`src/main.rs`**.
    file: Option<String>,
    text: String,
}

#[test]
fn the_files_in_the_tutorial_are_those_of_the_package() {
    if env::var_os("UPDATE_TUTORIAL").is_some() {
        update();
    }
    let blocks = blocks();
    for block in blocks.iter().filter(|block| ["rust", "toml", "ini"].contains(&&*block.language)) {
        let name =
            block.file.as_ref().unwrap_or_else(|| panic!("no file is named: {}", block.text));
        let file = read(&root().join(name)).replace("../..", "../redis-collections");
        if IN_PARTS.contains(&&**name) {
            let lacking: Vec<_> = block.text.lines().filter(|line| !file.contains(line)).collect();
            assert!(lacking.is_empty(), "{name} lacks {lacking:?}");
        } else {
            assert!(block.text == file, "the tutorial has another {name}: set UPDATE_TUTORIAL=1");
        }
    }
    for folder in ["src", "src/bin"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("a file").path();
            let name = path.strip_prefix(root()).expect("a file of the package").to_str();
            let is_shown = blocks.iter().any(|block| block.file.as_deref() == name);
            assert!(is_shown || path.is_dir(), "the tutorial lacks {name:?}");
        }
    }
    let library = read(&root().join("src/lib.rs"));
    for line in library.lines().filter(|line| line.starts_with("pub")) {
        let is_shown = |block: &Block| block.text.lines().any(|shown| shown == line);
        assert!(blocks.iter().any(is_shown), "the tutorial lacks {line}");
    }
}

/// A program that runs has the first terminal, and each other command a second one.
#[test]
fn the_programs_print_what_the_tutorial_says() {
    let server = LocalServer::start().expect("a server");
    let mut running: Option<Program> = None;
    for block in blocks().into_iter().filter(|block| block.language == "console") {
        for command in block.text.split("$ ").skip(1) {
            let (command, expected) = command.split_once('\n').expect("a command in a line");
            if let Some(program) = command.strip_prefix("cargo run --bin ") {
                running.take().into_iter().for_each(Program::finish);
                running = Some(Program::start(program, server.url(), expected));
            } else {
                let address = running.as_ref().expect("a program that runs").address();
                eventually(command, expected, || run(command, &server, &address));
            }
        }
    }
    running.into_iter().for_each(Program::finish);
}

/// A program of the package, which is killed when this is dropped.
struct Program {
    name: String,
    process: Child,
    printed: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
    expected: String,
}

impl Program {
    /// Starts a program and waits for the first line that it is expected to print.
    fn start(name: &str, url: &str, expected: &str) -> Self {
        let mut command = Command::new(path_of(name));
        command.env("REDIS_URL", url).env("LISTEN", "127.0.0.1:0").env_remove("RUST_LOG");
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("a program of the package");
        let printed = Arc::new(Mutex::new(String::new()));
        let out = collect(process.stdout.take().expect("piped"), printed.clone());
        let err = collect(process.stderr.take().expect("piped"), printed.clone());
        let (name, expected) = (name.to_owned(), expected.to_owned());
        let program = Self { name, process, printed, readers: vec![out, err], expected };
        let first = program.expected.lines().next().unwrap_or_default().to_owned();
        eventually(&program.name, &first, || {
            program.printed().lines().next().unwrap_or_default().to_owned()
        });
        program
    }

    /// What it printed, with the address of the tutorial.
    fn printed(&self) -> String {
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        printed.replace(&self.address(), "127.0.0.1:3000")
    }

    /// The address on which it listens.
    fn address(&self) -> String {
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let address =
            printed.split_once("listening on http://").and_then(|(_, rest)| rest.lines().next());
        address.unwrap_or("127.0.0.1:3000").to_owned()
    }

    /// Waits until it has printed what it is expected to print before `^C`, and then ends it so. A
    /// program without a `^C` ends by itself.
    fn finish(mut self) {
        let expected = self.expected.clone();
        if let Some((before, _)) = expected.split_once("^C\n") {
            eventually(&self.name, before, || self.printed());
            let interrupt = ["-INT", &self.process.id().to_string()];
            let status = Command::new("kill").args(interrupt).status().expect("a program kill");
            assert!(status.success(), "{}", self.name);
        }
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().expect("a status") {
                break status;
            }
            assert!(begun.elapsed() < LONGEST, "{} does not end", self.name);
            thread::sleep(Duration::from_millis(20));
        };
        self.readers.drain(..).for_each(|reader| reader.join().expect("a reader"));
        assert_eq!(self.printed(), expected.replace("^C\n", ""), "{}", self.name);
        assert!(status.success(), "{}: {status}", self.name);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn collect(
    pipe: impl Read + Send + 'static,
    printed: Arc<Mutex<String>>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
            *printed += &line;
            *printed += "\n";
        }
    })
}

/// Runs a command of the second terminal and returns what it prints there.
fn run(command: &str, server: &LocalServer, address: &str) -> String {
    if let Some(command) = command.strip_prefix("redis-cli ") {
        let server = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
        write!(&server, "{command}\r\n").expect("a request");
        return reply(&mut BufReader::new(server));
    }
    let command = command.replace("localhost:3000", address);
    let command = command.replace("curl ", "curl --silent --show-error ");
    let output = Command::new("sh").args(["-c", &command]).output().expect("a shell");
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    if printed.is_empty() || printed.ends_with('\n') { printed } else { printed + "\n" }
}

/// A reply as redis-cli prints it, which need not be installed beside the server.
fn reply(server: &mut impl BufRead) -> String {
    let mut line = String::new();
    server.read_line(&mut line).expect("a line of a reply");
    let (kind, rest) = line.trim_end().split_at(1);
    let count = || rest.parse::<usize>().expect("a number");
    match kind {
        ":" => format!("(integer) {rest}\n"),
        "$" if rest == "-1" => "(nil)\n".to_owned(),
        "$" => {
            let mut bytes = vec![0; count() + 2];
            server.read_exact(&mut bytes).expect("the bytes of a reply");
            let bytes = &bytes[..bytes.len() - 2];
            format!("{:?}\n", String::from_utf8_lossy(bytes))
        }
        "*" => (1..=count()).map(|number| format!("{number}) {}", reply(server))).collect(),
        _ => format!("{rest}\n"),
    }
}

/// Waits until something is as expected.
fn eventually(what: &str, expected: &str, found: impl Fn() -> String) {
    let begun = Instant::now();
    loop {
        let found = found();
        if found == expected {
            return;
        }
        assert!(begun.elapsed() < LONGEST, "{what}: {found}, not {expected}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn path_of(name: &str) -> &'static str {
    match name {
        "step_1" => env!("CARGO_BIN_EXE_step_1"),
        "step_2" => env!("CARGO_BIN_EXE_step_2"),
        "step_3" => env!("CARGO_BIN_EXE_step_3"),
        "step_4" => env!("CARGO_BIN_EXE_step_4"),
        "step_5" => env!("CARGO_BIN_EXE_step_5"),
        "step_6" => env!("CARGO_BIN_EXE_step_6"),
        "step_7" => env!("CARGO_BIN_EXE_step_7"),
        "thumbnails" => env!("CARGO_BIN_EXE_thumbnails"),
        name => panic!("no program is called {name}"),
    }
}

/// Writes the files of the package into the tutorial.
fn update() {
    let mut tutorial = read(&tutorial());
    for block in blocks() {
        let Some(name) = block.file.filter(|name| !IN_PARTS.contains(&&**name)) else { continue };
        let fence = format!("**`{name}`**\n\n```{}\n", block.language);
        let file = read(&root().join(&name));
        tutorial = tutorial.replace(&(fence.clone() + &block.text), &(fence + &file));
    }
    fs::write(self::tutorial(), tutorial).expect("the tutorial can be written");
}

fn tutorial() -> PathBuf {
    root().join("../../docs/tutorial.md")
}

fn blocks() -> Vec<Block> {
    let tutorial = read(&tutorial());
    let mut blocks = Vec::new();
    let mut above = "";
    let mut lines = tutorial.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```");
            let text = text.map(|line| format!("{line}\n")).collect();
            let file = above.strip_prefix("**`").and_then(|rest| rest.strip_suffix("`**"));
            above = "";
            blocks.push(Block {
                language: language.to_owned(),
                file: file.map(str::to_owned),
                text,
            });
        } else if !line.is_empty() {
            above = line;
        }
    }
    blocks
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
