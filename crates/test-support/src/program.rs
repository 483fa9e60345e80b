//! Command-line programs, as they are run.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::kinds::SERVER;
use super::servers::PATIENCE;
use super::within;

pub struct Program {
    pub name: &'static str,
    pub path: &'static str,
}

/// The arguments, the standard input, and the expected output.
pub struct Case<'a>(pub &'a str, pub &'a [u8], pub Said<'a>);

pub enum Said<'a> {
    /// With code 0, and nothing on standard error.
    Out(&'a str),
    /// The code, and a part of the one line on standard error.
    Failed(i32, &'a str),
}

impl Program {
    /// With arguments that have no spaces in them.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(self.path);
        command.args(arguments.split_whitespace()).env("REDIS_URL", SERVER.url());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn check(&self, cases: &[Case]) {
        for Case(arguments, input, expected) in cases {
            let output = fed(&mut self.command(arguments), input);
            let (out, error) = texts(&output);
            let code = output.status.code();
            match expected {
                Said::Out(expected) => {
                    let said = (out.as_str(), error.as_str(), code);
                    assert_eq!(said, (*expected, "", Some(0)), "{arguments}");
                }
                Said::Failed(expected, part) => {
                    assert_eq!(
                        (code, error.lines().count()),
                        (Some(*expected), 1),
                        "{arguments}: {error}"
                    );
                    let begins = error.starts_with(&format!("{}: ", self.name));
                    assert!(begins && error.contains(part), "{arguments}: {error}");
                }
            }
        }
    }

    /// The lines of its output as JSON.
    pub fn objects(&self, arguments: &str) -> Vec<Value> {
        let output = self.command(arguments).output().expect("the program");
        let lines = output.stdout.lines().map(|line| line.expect("text"));
        lines.map(|line| serde_json::from_str(&line).expect("an object")).collect()
    }

    /// That it ends well when its output is not read.
    pub fn check_with_a_closed_pipe(&self, arguments: &str) {
        assert_eq!(self.unread(arguments), (Some(0), String::new()), "{arguments}");
    }

    /// The code with which it ends when its output is not read, and its standard error.
    pub fn unread(&self, arguments: &str) -> (Option<i32>, String) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = self.command(arguments).stdout(writer).output().expect("the program");
        (output.status.code(), texts(&output).1)
    }

    /// Checks that it ends well, and without another line to print, when its output is closed after
    /// the first line.
    pub fn check_when_its_reader_leaves(&self, arguments: &str) {
        let mut running = self.command(arguments).spawn().expect("the program");
        let mut out = BufReader::new(running.stdout.take().expect("a pipe"));
        assert!(
            out.read_line(&mut String::new()).expect("a line") > 0,
            "{arguments} prints nothing"
        );
        drop(out);
        let has_ended = within(PATIENCE, || running.try_wait().expect("a process").is_some());
        // A failed test leaves nothing running.
        let _ = running.kill();
        let output = running.wait_with_output().expect("an end");
        let ended = (has_ended, output.status.code(), texts(&output).1);
        assert_eq!(ended, (true, Some(0), String::new()), "{arguments}");
    }

    /// Returns its output on a terminal until `is_enough`. Then Ctrl-C is pressed.
    pub fn drawn(
        &self,
        arguments: &str,
        variable: (&str, &str),
        is_enough: impl FnMut(&str) -> bool,
    ) -> String {
        self.drawn_by(&format!("exec {} {arguments}", self.path), variable, is_enough)
    }

    /// Like [`drawn`](Self::drawn), for a script that ends as the program.
    pub fn drawn_by(
        &self,
        script: &str,
        (variable, value): (&str, &str),
        mut is_enough: impl FnMut(&str) -> bool,
    ) -> String {
        let mut command = on_terminal(script);
        let mut running = command.env(variable, value).spawn().expect("a terminal");
        let mut out = BufReader::new(running.stdout.take().expect("a pipe"));
        let mut seen = Vec::new();
        while !is_enough(&String::from_utf8_lossy(&seen)) {
            assert!(out.read_until(b'\n', &mut seen).expect("a terminal") > 0, "ended");
            assert!(seen.len() < 100_000, "not drawn: {}", String::from_utf8_lossy(&seen));
        }
        running.stdin.take().expect("a pipe").write_all(b"\x03").expect("Ctrl-C");
        std::io::Read::read_to_end(&mut out, &mut seen).expect("a terminal");
        assert_eq!(running.wait().expect("an end").code(), Some(0));
        String::from_utf8(seen).expect("text")
    }

    /// Returns the code with which it ends on a terminal after this answer, and its output.
    pub fn answered(&self, arguments: &str, answer: &str) -> (Option<i32>, String) {
        let mut command = on_terminal(&format!("exec {} {arguments}", self.path));
        let mut running = command.spawn().expect("a terminal");
        // Kept open: the end of the input would be the end of the terminal.
        let mut input = running.stdin.take().expect("a pipe");
        input.write_all(answer.as_bytes()).expect("a terminal");
        let output = running.wait_with_output().expect("an end");
        (output.status.code(), texts(&output).0)
    }

    /// Checks that it prints its version, completions and man pages, which name these commands and
    /// show no secret.
    pub fn check_documents(&self, commands: &[&str]) {
        let secret = "redis://ann:5ecret@host/";
        let said = |arguments: &str| {
            let output = self.command(arguments).env("REDIS_URL", secret).output();
            let output = output.expect("the program");
            let (out, error) = texts(&output);
            assert_eq!((output.status.code(), error.as_str()), (Some(0), ""), "{arguments}");
            assert!(!out.contains("5ecret"), "{arguments}");
            out
        };
        let version = said("--version");
        assert!(version.starts_with(&format!("{} 0.", self.name)), "{version}");
        for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
            let completions = said(&format!("completions {shell}"));
            assert!(commands.iter().all(|command| completions.contains(command)), "{shell}");
        }
        let page = said("man");
        let name = |command: &&str| page.contains(&format!("{}\\-{command}(1)", self.name));
        assert!(page.contains(".TH ") && commands.iter().all(name), "{page}");
        let directory = SERVER.unix_socket().with_file_name("man").join("man1");
        assert_eq!(said(&format!("man {}", directory.display())), "");
        for command in commands {
            let page = directory.join(format!("{}-{command}.1", self.name));
            let page = std::fs::read_to_string(page).expect("a page");
            assert!(page.contains(".TH ") && !page.contains("5ecret"), "{page}");
        }
        for page in std::fs::read_dir(&directory).expect("a directory") {
            let page = std::fs::read_to_string(page.expect("a page").path()).expect("a page");
            for other in page.lines().filter_map(|line| line.strip_suffix("(1)")) {
                let other = format!("{}.1", other.replace('\\', ""));
                assert!(directory.join(&other).exists(), "there is no page {other}");
            }
        }
        let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        assert_eq!(headings[headings.len() - 3..], ["EXAMPLES", "NOTES", "VERSION"]);
        assert!(!page.contains("\\-help(1)"), "{page}");
        let occupied = format!("man {}", directory.join(format!("{}.1", self.name)).display());
        self.check(&[Case(&occupied, b"", Said::Failed(1, "cannot write man pages to "))]);
        for arguments in ["completions zsh", "man"] {
            self.check_with_a_closed_pipe(arguments);
        }
    }
}

/// A command on a terminal, which `script` makes.
fn on_terminal(script: &str) -> Command {
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", script, "/dev/null"]);
    command.env("REDIS_URL", SERVER.url()).env("TERM", "xterm");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

pub fn fed(command: &mut Command, input: &[u8]) -> Output {
    let mut running = command.stdin(Stdio::piped()).spawn().expect("the program");
    // It need not read its input.
    let _ = running.stdin.take().expect("a pipe").write_all(input);
    running.wait_with_output().expect("an end")
}

/// Compiles a source of this directory to a library that programs can be made to load.
pub fn build_library(source: &str, directory: &Path) -> io::Result<PathBuf> {
    let library = directory.join(source).with_extension("so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(source);
    let mut compiler = Command::new("cc");
    let status =
        compiler.args(["-shared", "-fPIC", "-pthread", "-o"]).arg(&library).arg(source).status()?;
    if status.success() { Ok(library) } else { Err(io::Error::other("it does not compile")) }
}

/// Standard output and standard error.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (text(&output.stdout), text(&output.stderr))
}
