//! Standard output that is full, or that its reader has closed.

use crate::{PROGRAM, dome, rckey};
use support::eventually;
use support::program::texts;

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_reported_once() {
    let _dome = dome("full");
    for arguments in ["read full", "list full", "show full --json"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let output = rckey(arguments).stdout(full).output().expect("the program");
        let (_, error) = texts(&output);
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let _dome = dome("piped");
    for arguments in ["list", "list piped", "show piped", "read piped", "watch piped", "--help"] {
        PROGRAM.check_with_a_closed_pipe(arguments);
    }
}

#[test]
fn a_watch_ends_when_its_reader_does() {
    let _dome = dome("headed");
    for arguments in ["watch headed AZ", "watch headed AZ --json"] {
        PROGRAM.check_when_its_reader_leaves(arguments);
    }
}

#[test]
fn failures_are_reported_though_standard_output_is_closed() {
    let dome = dome("unread");
    let out_of_range = "rckey: AZ: refused: 400.0 is not between 0 and 360\n";
    let unknown = "rckey: NONE: there is no such keyword\n";
    for (arguments, code, error) in [
        ("write unread AZ=400 --json", 1, out_of_range),
        ("write unread LAMP=off AZ=400", 1, out_of_range),
        ("write unread LAMP=off AZ=400 --json", 1, out_of_range),
        ("write nowhere AZ=1 -n --json", 1, "rckey: AZ: no dispatcher serves it\n"),
        ("write unread COUNT=7 NOTE=new -n", 0, ""),
        ("read unread AZ NONE", 1, unknown),
        ("show unread AZ NONE", 1, unknown),
        ("show unread AZ NONE --json", 1, unknown),
    ] {
        assert_eq!(PROGRAM.unread(arguments), (Some(code), error.to_owned()), "{arguments}");
    }
    assert!(eventually(|| dome.get("NOTE").expect("a keyword") == Some("new".into())));
}
