//! Values as they are read.

use serde_json::json;

use crate::{check, dome, objects, rckey};
use support::kinds::SERVER;
use support::program::Said::{Failed, Out};
use support::program::texts;
use support::wire::Wire;

#[test]
fn values_are_read_in_words_or_raw() {
    let dome = dome("read");
    check([
        ("read read AZ", Out("AZ = 12.5 deg\n")),
        ("read read shutter az", Out("SHUTTER = closed\nAZ = 12.5 deg\n")),
        (
            "read read",
            Out("AZ = 12.5 deg\nCOUNT =  (init)\nLAMP = true\nLIMITS = low,wind\n\
                NOTE = a\\tb\\nc\nSHUTTER = closed\n"),
        ),
        ("read read AZ LAMP LIMITS --raw", Out("12.5\n1\n5\n")),
        ("read read NOTE -r", Out("a\tb\nc\n")),
        ("read read SECRET", Failed(1, "rckey: SECRET: refused: it is write-only")),
        ("read nowhere AZ", Failed(1, "rckey: AZ: there is no such keyword")),
        ("read nowhere", Failed(1, "nowhere has no keywords")),
        ("read read AZ --raw --json", Failed(2, "cannot be used with")),
    ]);
    dome.set("AZ", 400.0).expect_err("out of range");
    check([("read read AZ", Out("AZ = 12.5 deg (error: 400.0 is not between 0 and 360)\n"))]);
}

#[test]
fn readable_keywords_are_read_though_others_are_not() {
    let _dome = dome("partly");
    let mut wire = Wire::to(SERVER.url(), "partly");
    let key = wire.name(".NOTE");
    let () = wire.run(&[b"SET", key.as_bytes(), b"\xff"]);
    let output = rckey("read partly NONE AZ NOTE LAMP").output().expect("the program");
    let (out, error) = texts(&output);
    assert_eq!((&out[..], output.status.code()), ("AZ = 12.5 deg\nLAMP = true\n", Some(1)));
    let errors: Vec<_> = error.lines().collect();
    assert_eq!((errors.len(), errors[0]), (2, "rckey: NONE: there is no such keyword"));
    assert!(errors[1].starts_with("rckey: ") && errors[1].contains("NOTE"), "{error}");
}

#[test]
fn readings_in_json_have_everything() {
    let _dome = dome("object");
    let mut reading = objects("read object LIMITS --json").remove(0);
    let object = reading.as_object_mut().expect("an object");
    let [age, at] =
        ["age_ms", "set_at_ms"].map(|name| object.remove(name).and_then(|it| it.as_u64()));
    assert!(age.is_some() && at > age);
    let expected = json!({
        "service": "object", "keyword": "LIMITS", "type": "mask", "value": 5, "text": "5",
        "shown": "low,wind", "status": "ready", "error": null, "served": true,
    });
    assert_eq!(reading, expected);
    let values: Vec<_> =
        objects("read object --json").iter().map(|it| it["value"].clone()).collect();
    assert_eq!(json!(values), json!([12.5, "", true, 5, "a\tb\nc", 0]));
}
