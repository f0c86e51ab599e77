//! As much of HTTP as the load needs.

use std::io;

use httparse::{EMPTY_HEADER, Response, Status};

/// Asks a worker who it is.
pub const REQUEST: &[u8] = b"GET /whoami HTTP/1.1\r\nHost: bench\r\n\r\n";
/// More than the answer of any server has.
pub const LARGEST_ANSWER: usize = 1024;

const HEADERS: usize = 32;

/// The body of an answer, once all of it is there.
pub fn whole_body(answer: &[u8]) -> io::Result<Option<&[u8]>> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut response = Response::new(&mut headers);
    let Status::Complete(head) = response.parse(answer).map_err(io::Error::other)? else {
        return Ok(None);
    };
    if response.code != Some(200) {
        return Err(io::Error::other(format!("status {:?}", response.code)));
    }
    let mut headers = response.headers.iter();
    let length = headers.find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length: usize = length
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .ok_or_else(|| io::Error::other("an answer without a length"))?;
    Ok(answer.get(head..head + length))
}

/// The slot in the body of an answer, `{"slot":3,...}`.
pub fn slot(body: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(body).ok()?.strip_prefix("{\"slot\":")?;
    text.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_whole_when_it_is_as_long_as_announced() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"slot\":3,";
        let cut = |length: usize| whole_body(&answer[..length]).unwrap();
        assert_eq!(cut(20), None);
        assert_eq!(cut(answer.len() - 1), None);
        assert_eq!(cut(answer.len()).and_then(slot), Some(3));
        assert!(whole_body(b"HTTP/1.1 404 Not Found\r\n\r\n").is_err());
    }
}
