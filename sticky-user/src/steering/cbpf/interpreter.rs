//! Runs a classic BPF program on the packet of a client, as the kernel would. For tests.

use std::net::IpAddr;

use super::assembler::{Instruction, op};
use super::rule::{FROM_NETWORK_HEADER, IPV4, IPV6, PROTOCOL};

/// What the program returns for a SYN from `client`.
pub(super) fn run(program: &[Instruction], client: IpAddr) -> u32 {
    let packet = Packet::from(client);
    let (mut a, mut x, mut memory) = (0u32, 0u32, [0u32; 16]);
    let mut at = 0;
    loop {
        let Instruction { code, if_true, if_false, operand } = program[at];
        at += 1;
        let mut branch = |holds| at += usize::from(if holds { if_true } else { if_false });
        match code {
            op::LOAD_BYTE => a = u32::from(packet.bytes(operand)[0]),
            op::LOAD_WORD => a = packet.word(operand),
            op::LOAD_CONSTANT => a = operand,
            op::LOAD_MEMORY => a = memory[operand as usize],
            op::LOAD_X_MEMORY => x = memory[operand as usize],
            op::STORE => memory[operand as usize] = a,
            op::COPY_TO_X => x = a,
            op::ADD_X => a = a.wrapping_add(x),
            op::XOR_X => a ^= x,
            op::AND => a &= operand,
            op::MULTIPLY => a = a.wrapping_mul(operand),
            op::MODULO => a %= operand,
            op::SHIFT_RIGHT => a >>= operand,
            op::JUMP => at += operand as usize,
            op::JUMP_IF_EQUAL => branch(a == operand),
            op::JUMP_IF_AT_LEAST => branch(a >= operand),
            op::RETURN => return operand,
            op::RETURN_A => return a,
            _ => panic!("instruction {code:#x} is unknown here"),
        }
    }
}

/// The part of a packet that the program reads.
struct Packet {
    protocol: u32,
    header: Vec<u8>,
}

impl Packet {
    fn bytes(&self, offset: u32) -> &[u8] {
        &self.header[offset.wrapping_sub(FROM_NETWORK_HEADER) as usize..]
    }

    fn word(&self, offset: u32) -> u32 {
        if offset == PROTOCOL {
            return self.protocol;
        }
        u32::from_be_bytes(self.bytes(offset)[..4].try_into().unwrap())
    }
}

impl From<IpAddr> for Packet {
    fn from(client: IpAddr) -> Self {
        match client {
            IpAddr::V4(v4) => {
                Self { protocol: IPV4, header: [&[0; 12][..], &v4.octets(), &[0; 4]].concat() }
            }
            IpAddr::V6(v6) => {
                Self { protocol: IPV6, header: [&[0; 8][..], &v6.octets(), &[0; 16]].concat() }
            }
        }
    }
}
