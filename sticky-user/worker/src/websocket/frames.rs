//! Where one WebSocket message ends and the next begins, in what a client sends.

/// What a client would send to end an Engine.IO session: a text frame with the packet "close",
/// under a mask of zeros.
pub(super) const CLOSE: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'1'];

/// What a client would send to say that it is there: the packet "pong", likewise.
pub(super) const PONG: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'3'];

const FIN: u8 = 0x80;
const OPCODE: u8 = 0x0f;
/// Opcodes from here on are control frames, which may stand between the parts of a message.
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// Lengths that say where the length is.
const TWO_BYTES: u8 = 0x7e;
const EIGHT_BYTES: u8 = 0x7f;
const LONGEST_HEADER: usize = 14;

/// Follows the frames (RFC 6455, 5.2) without keeping them.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; LONGEST_HEADER],
    /// So many bytes of the header have come.
    have: usize,
    /// So many bytes of the payload are to come.
    payload: u64,
    /// A message has begun and is to go on in another frame.
    fragmented: bool,
    /// So many messages have come.
    messages: u64,
}

impl Frames {
    /// Whether a new message may begin here.
    pub(super) fn between_messages(&self) -> bool {
        self.have == 0 && self.payload == 0 && !self.fragmented
    }

    /// How many messages have come. The end of the last one may be missing.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// How many bytes can come at least until a message ends.
    pub(super) fn to_come(&self) -> u64 {
        match self.have {
            _ if self.payload > 0 => self.payload,
            have @ 0..2 => 2 - have as u64,
            have => (self.header_length() - have) as u64,
        }
    }

    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let skipped =
                    usize::try_from(self.payload).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.payload -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            self.header[self.have] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if self.have >= 2 && self.have == self.header_length() {
                self.begin_payload();
            }
        }
    }

    fn length_bytes(&self) -> usize {
        match self.header[1] & LENGTH {
            TWO_BYTES => 2,
            EIGHT_BYTES => 8,
            _ => 0,
        }
    }

    fn header_length(&self) -> usize {
        let mask = if self.header[1] & MASKED == 0 { 0 } else { 4 };
        2 + self.length_bytes() + mask
    }

    fn begin_payload(&mut self) {
        let long = &self.header[2..2 + self.length_bytes()];
        self.payload = if long.is_empty() {
            u64::from(self.header[1] & LENGTH)
        } else {
            long.iter().fold(0, |length, &byte| length << 8 | u64::from(byte))
        };
        if self.header[0] & OPCODE < CONTROL {
            self.fragmented = self.header[0] & FIN == 0;
            self.messages += u64::from(!self.fragmented);
        }
        self.have = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a client sends it.
    fn frame(opcode: u8, fin: bool, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![opcode | if fin { FIN } else { 0 }];
        match payload.len() {
            short @ 0..126 => frame.push(MASKED | u8::try_from(short).unwrap()),
            middle @ 126..=0xffff => {
                frame.push(MASKED | TWO_BYTES);
                frame.extend(u16::try_from(middle).unwrap().to_be_bytes());
            }
            long => {
                frame.push(MASKED | EIGHT_BYTES);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn the_packet_close_is_a_message() {
        let mut frames = Frames::default();
        frames.follow(&CLOSE);
        assert!(frames.between_messages());
    }

    #[test]
    fn parts_of_a_message_belong_together() {
        let mut frames = Frames::default();
        for (part, ends) in [
            (frame(1, false, b"one"), false),
            (frame(9, true, b"ping"), false),
            (frame(0, false, b"two"), false),
            (frame(0, true, b""), true),
        ] {
            frames.follow(&part);
            assert_eq!(frames.between_messages(), ends);
        }
        assert_eq!(frames.messages(), 1);
    }

    proptest! {
        #[test]
        fn ends_are_found_however_the_bytes_come(
            lengths in prop::collection::vec(prop_oneof![0..300_usize, 65_000..66_000_usize], 1..6),
            step in 1..5000_usize,
        ) {
            let mut ends = Vec::new();
            let mut bytes = Vec::new();
            for length in lengths {
                bytes.extend(frame(2, true, &vec![b'x'; length]));
                ends.push(bytes.len());
            }
            let mut frames = Frames::default();
            let mut at = 0;
            let messages = ends.len() as u64;
            for part in bytes.chunks(step) {
                frames.follow(part);
                at += part.len();
                prop_assert_eq!(frames.between_messages(), ends.contains(&at));
            }
            prop_assert_eq!(frames.messages(), messages);
        }
    }
}
