use super::*;

fn read(toml: &str) -> Result<ServiceDefinition> {
    ServiceDefinition::from_toml(toml)
}

#[test]
fn both_formats_define_the_same_service() {
    let toml = r#"
            service = "Dome"
            [[keyword]]
            name = "az"
            type = "double"
            units = "deg"
            range = [0, 360]
            initial = 12
            always_write = true
            [[keyword]]
            name = "SHUTTER"
            type = "enumerated"
            labels = ["closed", "open"]
            initial = "open"
            access = "read-only"
            every = 0.5
            history = 3
        "#;
    let json = r#"{"service": "Dome", "keyword": [
            {"name": "az", "type": "double", "units": "deg", "range": [0, 360], "initial": 12,
             "always_write": true},
            {"name": "SHUTTER", "type": "enumerated", "labels": ["closed", "open"],
             "initial": "open", "access": "read-only", "every": 0.5, "history": 3}
        ]}"#;
    let [toml, json] = [read(toml), ServiceDefinition::from_json(json)].map(Result::unwrap);
    assert_eq!(format!("{toml:?}"), format!("{json:?}"));
    assert!(toml.descriptions().eq(json.descriptions()));
    let [azimuth, shutter] = &toml.keywords[..] else { panic!("two keywords") };
    assert_eq!((toml.service(), &azimuth.description.name[..]), ("Dome", "AZ"));
    assert_eq!((&azimuth.initial, azimuth.history), (&Some(12.0.into()), 16));
    assert_eq!((&shutter.initial, shutter.history), (&Some(1.into()), 3));
    assert_eq!([azimuth, shutter].map(|it| it.is_always_written), [true, false]);
    assert_eq!(shutter.every, Some(Duration::from_millis(500)));
}

#[test]
fn an_invalid_definition_is_rejected_with_its_position() {
    for (toml, named) in [
        ("service = 'a:b'", "line 1"),
        ("service = 'a'\nspeed = 1", "speed"),
        ("service = 'a'\n[[keyword]]\nname = 'A'", "type"),
        ("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'doubel'", "doubel"),
        ("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'double'\nunit = 'm'", "unit"),
        ("service = 'a'\n[[keyword]]\nname = 'A.B'\ntype = 'double'", "'.'"),
        ("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'double'\ninitial = 'x'", "\"x\""),
        ("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'double'\nevery = -1", "every"),
        ("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'double'\nevery = nan", "every"),
    ] {
        let error = read(toml).unwrap_err().to_string();
        assert!(error.contains(named), "{toml}: {error}");
    }
    assert!(matches!(ServiceDefinition::<Client>::load("a.xml"), Err(Error::Configuration(_))));
}

#[test]
fn an_error_names_its_line() {
    let first = "service = 'a'\n\n[[keyword]]\nname = 'A'\ntype = 'double'\n\n";
    for (entry, named) in [
        ("name = 'B'\ntype = 'doubel'", "doubel"),
        ("name = 'B'\ntype = 'double'\nrange = [2, 1]", "greater"),
        ("name = 'B'\ntype = 'double'\nrange = [2]", "range"),
        ("name = 'B'\ntype = 'string'\nrange = [1, 2]", "range"),
        ("name = 'a'\ntype = 'string'", "two keywords A"),
        ("name = 'B.C'\ntype = 'string'", "'.'"),
        ("name = 'B'\ntype = 'double'\ninitial = 'x'", "not a number"),
        ("name = 'B'\ntype = 'double'\nevery = 0", "every"),
        ("name = 'B'\ntype = 'double'\nrange = [0, 1, 2]", "two numbers"),
        ("name = 'B'\ntype = 'integer'\ninitial = 1.9", "whole number"),
        (
            "name = 'B'\ntype = 'string'\naccess = 'read-only'\nalways_write = true",
            "cannot have `always_write`",
        ),
        ("name = 'B'\ntype = 'string'\naccess = 'write-only'\ninitial = 'x'", "no initial value"),
        ("name = 'B'\ntype = 'mask'", "bits"),
    ] {
        let error = read(&format!("{first}[[keyword]]\n{entry}")).unwrap_err().to_string();
        let line = (7..=10).any(|line| error.contains(&format!("line {line},")));
        assert!(line && error.contains(named), "{entry}: {error}");
    }
    let first = r#"{"service": "a", "keyword": [
            {"name": "A", "type": "double"},"#;
    for (entry, named) in [
        (r#"{"name": "B", "type": "doubel"}"#, "doubel"),
        (r#"{"name": "B", "type": "double", "range": [2, 1]}"#, "greater"),
        (r#"{"name": "B", "type": "double", "range": [0, 1, 2]}"#, "two numbers"),
        (r#"{"name": "a", "type": "double"}"#, "two keywords A"),
        (r#"{"name": "B", "type": "double", "initial": "x"}"#, "not a number"),
    ] {
        let json = format!("{first}\n{entry},\n{{\"name\": \"Z\", \"type\": \"double\"}}]}}");
        let error = ServiceDefinition::<Client>::from_json(&json).unwrap_err().to_string();
        assert!(error.contains("line 3 ") && error.contains(named), "{entry}: {error}");
    }
}

#[test]
fn an_error_names_the_line_of_the_invalid_setting() {
    for (line, wrong) in
        [(4, "name = 'B.C'"), (5, "type = 'doubel'"), (6, "range = [2, 1]"), (7, "every = 0")]
    {
        let lines = ["name = 'B'", "type = 'double'", "range = [1, 2]", "every = 1"];
        let lines = lines.map(|it| if it[..4] == wrong[..4] { wrong } else { it });
        let toml = format!("service = 'a'\n\n[[keyword]]\n{}", lines.join("\n"));
        let error = read(&toml).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line},")), "{wrong}: {error}");
    }
}

#[test]
fn only_an_existing_keyword_can_be_amended() {
    let mut definition = read("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'string'").unwrap();
    definition.amend("a", |keyword| keyword.history(2)).unwrap();
    assert_eq!(definition.keywords[0].history, 2);
    assert!(definition.amend("B", |keyword| keyword).is_err());
}
