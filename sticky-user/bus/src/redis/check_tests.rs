//! Against servers that say what a real one would not be made to say here.

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::redis::fake::{command, text};

const PASSWORD: &str = "open-sesame";

fn url_of(listener: &TcpListener, scheme: &str) -> RedisUrls {
    let address = listener.local_addr().unwrap();
    format!("{scheme}://chat:{PASSWORD}@{address}").parse().unwrap()
}

/// What `check` makes of a server that answers so.
async fn checked(answer: impl Fn(&[String]) -> String) -> Result<(), RedisBusError> {
    checked_as("redis", answer).await
}

async fn checked_as(
    scheme: &str,
    answer: impl Fn(&[String]) -> String,
) -> Result<(), RedisBusError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url_of(&listener, scheme);
    let server = async {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let mut client = BufReader::new(client);
            while let Some(words) = command(&mut client).await {
                client.write_all(answer(&words).as_bytes()).await.unwrap();
            }
        }
    };
    let result = tokio::select! {
        result = url.check() => result,
        () = server => unreachable!("the server goes on"),
    };
    if let Err(error) = &result {
        let texts = format!("{error} {error:?}");
        assert!(texts.contains("chat:***@") && !texts.contains(PASSWORD), "{texts}");
    }
    result
}

fn version(version: &str) -> String {
    text(&format!("# Server\r\nredis_version:{version}\r\n"))
}

#[tokio::test]
async fn a_server_of_version_7_will_do() {
    let asked =
        |words: &[String]| if words[0] == "INFO" { version("7.0.0") } else { "+OK\r\n".into() };
    checked(asked).await.unwrap();
}

#[tokio::test]
async fn an_older_one_is_too_old() {
    let asked =
        |words: &[String]| if words[0] == "INFO" { version("6.2.14") } else { "+OK\r\n".into() };
    let error = checked(asked).await.unwrap_err();
    assert!(
        matches!(&error, RedisBusError::TooOld { version, .. } if version == "6.2.14"),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_answer_that_quotes_the_password_is_not_passed_on() {
    let quoting = |words: &[String]| match words[0].as_str() {
        "INFO" => format!("-ERR unknown command, with args beginning with: {PASSWORD}\r\n"),
        _ => "+OK\r\n".into(),
    };
    let error = checked(quoting).await.unwrap_err();
    assert!(
        matches!(&error, RedisBusError::Unusable { reason, .. } if reason.contains("***")),
        "{error:?}"
    );
}

#[tokio::test]
async fn each_refusal_has_its_own_error() {
    let refusing = |command: &'static str, refusal: &'static str| {
        move |words: &[String]| {
            let refused = words[0] == command;
            if refused { format!("-{refusal}\r\n") } else { "+OK\r\n".into() }
        }
    };
    let error = checked(refusing("AUTH", "WRONGPASS no such pair")).await.unwrap_err();
    assert!(matches!(error, RedisBusError::PasswordRefused { .. }), "{error:?}");
    let error = checked(refusing("INFO", "NOAUTH Authentication required.")).await.unwrap_err();
    assert!(matches!(error, RedisBusError::PasswordMissing { .. }), "{error:?}");
    let error = checked(refusing("INFO", "NOPERM no right to run 'info'")).await.unwrap_err();
    assert!(matches!(error, RedisBusError::Forbidden { .. }), "{error:?}");
}

#[tokio::test]
async fn a_user_that_may_not_listen_is_told_so() {
    for right in ["PUBSUB", "PUBLISH", "SUBSCRIBE"] {
        let answer = |words: &[String]| match words[0].as_str() {
            "INFO" => version("7.0.0"),
            word if word == right => "-NOPERM No permissions to access a channel\r\n".into(),
            _ => "+OK\r\n".into(),
        };
        let error = checked(answer).await.unwrap_err();
        assert!(matches!(error, RedisBusError::Forbidden { .. }), "{right}: {error:?}");
    }
}

#[tokio::test]
async fn a_cluster_has_to_be_one_and_to_be_well() {
    let node = |state: String| {
        move |words: &[String]| match words[0].as_str() {
            "INFO" => version("7.2.4"),
            "CLUSTER" => state.clone(),
            "SSUBSCRIBE" | "SPUBLISH" => "-MOVED 1 127.0.0.1:7000\r\n".into(),
            _ => "+OK\r\n".into(),
        }
    };
    let info =
        |state, slots| text(&format!("cluster_state:{state}\r\ncluster_slots_ok:{slots}\r\n"));
    checked_as("redis-cluster", node(info("ok", 16384))).await.unwrap();
    let error = checked_as("redis-cluster", node(info("fail", 77))).await.unwrap_err();
    assert!(
        matches!(&error, RedisBusError::ClusterDown { served, .. } if served == "77"),
        "{error:?}"
    );
    let disabled = "-ERR This instance has cluster support disabled\r\n".to_owned();
    let error = checked_as("redis-cluster", node(disabled)).await.unwrap_err();
    assert!(matches!(error, RedisBusError::NoCluster { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_not_secure() {
    let error = checked_as("rediss", |_| "-ERR what?\r\n".into()).await.unwrap_err();
    assert!(matches!(error, RedisBusError::NotSecure { .. }), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    // Bound and not listening: the port is taken, and connecting to it refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("redis://chat:{PASSWORD}@{}", socket.local_addr().unwrap());
    let error = url.parse::<RedisUrls>().unwrap().check().await.unwrap_err();
    assert!(matches!(error, RedisBusError::Unreachable { .. }), "{error:?}");
    assert!(!error.to_string().contains(PASSWORD), "{error}");
}
