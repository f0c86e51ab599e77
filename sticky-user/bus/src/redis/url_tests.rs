use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> RedisUrl {
    text.parse().unwrap()
}

#[test]
fn shows_everything_but_the_password() {
    for (text, shown) in [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://:secret@localhost:7000/3", "redis://:***@localhost:7000/3"),
        ("valkey://chat:p%40ss@[::1]:7000", "redis://chat:***@[::1]:7000/0"),
        ("redis://chat:secret@h?protocol=resp3", "redis://chat:***@h:6379/0"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock?db=0"),
        ("rediss://:secret@h", "rediss://:***@h:6379/0"),
        ("valkeys://[::1]:7000/3", "rediss://[::1]:7000/3"),
        ("redis-cluster://:secret@h", "redis://:***@h:6379/0"),
        ("rediss-cluster://h", "rediss://h:6379/0"),
        (
            "redis+unix:///run/redis.sock?user=chat&pass=secret&db=2",
            "unix:///run/redis.sock?db=2&user=chat&pass=***",
        ),
    ] {
        assert_eq!(parsed(text).to_string(), shown);
        assert_eq!(format!("{:?}", parsed(text)), format!("RedisUrl({shown})"));
        assert_eq!(parsed(text).with_password(), text);
    }
}

#[test]
fn names_what_is_wrong() {
    for (text, wrong) in [
        ("", InvalidRedisUrl::SCHEME),
        ("localhost:6379", InvalidRedisUrl::SCHEME),
        ("http://u:secret@h", InvalidRedisUrl::SCHEME),
        ("redis://:secret@[bad", InvalidRedisUrl::UNREADABLE),
        ("redis://:secret@h:port", InvalidRedisUrl::UNREADABLE),
        ("redis://:sec/ret@h", InvalidRedisUrl::UNREADABLE),
        ("redis://u:12#secret@h", InvalidRedisUrl::EXTRA),
        ("redis://u:12?secret@h", InvalidRedisUrl::EXTRA),
        ("redis://u:12/secret@h", InvalidRedisUrl::DATABASE),
        ("redis://h/first", InvalidRedisUrl::DATABASE),
        ("redis://secret@h", InvalidRedisUrl::USER_ALONE),
        ("redis://:secret@0.0.0.0", InvalidRedisUrl::HOST),
        ("unix://h?path=/run/redis.sock", InvalidRedisUrl::EXTRA),
        ("rediss://h/#insecure", InvalidRedisUrl::EXTRA),
        ("redis-cluster+unix:///run/redis.sock", InvalidRedisUrl::SCHEME),
    ] {
        assert_eq!(text.parse::<RedisUrl>().unwrap_err(), wrong, "{text}");
    }
}

/// Every text that can be made of a URL, well-formed or not.
fn texts_of(url: &str) -> String {
    match url.parse::<RedisUrl>() {
        Ok(url) => format!("{url} {url:?} {:?}", url.clone()),
        Err(error) => format!("{error} {error:?}"),
    }
}

proptest! {
    #[test]
    fn no_text_holds_the_password(
        password in prop_oneof![".{3,20}", "[!-~]{3,20}", "[a-z0-9]{3,20}"],
        (before, after) in prop_oneof![
            Just(("redis://user:", "@host:6379/0")),
            Just(("redis://:", "@host")),
            Just(("redis://:", "@[bad")),
            Just(("redis://:", "@host:port")),
            Just(("redis://", "@host")),
            Just(("redis:", "@host")),
            Just(("redis://user:12", "@host")),
            Just(("rediss://:", "@host")),
            Just(("http://user:", "@host")),
            Just(("", "@host")),
            Just(("unix:///run/redis.sock?pass=", "&db=1")),
            Just(("unix:///run/redis.sock?password=", "")),
        ],
    ) {
        let texts = texts_of(&format!("{before}{password}{after}"));
        // What is there whatever the password: the rest of the URL, and every fixed text.
        let fixed = InvalidRedisUrl::ALL
        .map(|error| format!("{error} {error:?}"))
        .concat();
        let fixed = fixed + &texts_of("redis://user:x@host:6379/0") + &texts_of(
            "unix:///run/redis.sock?user=x&pass=x&db=1",
        );
        prop_assume!(!password.contains('*')); // as in ***
        prop_assume!(!fixed.contains(&password) && !before.contains(&password));
        prop_assert!(!texts.contains(&password), "{texts}");
    }

    #[test]
    fn the_password_makes_no_difference(password in "[^/#?@:%\\[\\]\\\\ \\x00-\\x1f\\x7f]{1,20}") {
        let url = parsed(&format!("redis://user:{password}@host:6379/0"));
        prop_assert_eq!(url.to_string(), "redis://user:***@host:6379/0");
    }
}
