//! Classic BPF instructions, with names for the places that are jumped to.
//!
//! The instruction set is that of the Linux kernel's `Documentation/networking/filter.rst`.

use nix::libc::{self, sock_filter};

/// The kernel takes no longer program (`BPF_MAXINSNS`).
const MOST_INSTRUCTIONS: usize = 4096;

/// One instruction, as the kernel reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) if_true: u8,
    pub(super) if_false: u8,
    pub(super) operand: u32,
}

impl Instruction {
    pub(super) fn to_kernel(self) -> sock_filter {
        sock_filter { code: self.code, jt: self.if_true, jf: self.if_false, k: self.operand }
    }
}

/// The program is longer than the kernel or a jump allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program has more instructions than classic BPF allows")]
pub struct TooManyInstructions;

/// A place in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Opcodes that are used here. Constants (`K`) are operands, `X` is the index register.
#[expect(clippy::cast_possible_truncation, reason = "opcodes have 16 bits")]
pub(super) mod op {
    use super::libc::{
        BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_IMM, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP,
        BPF_K, BPF_LD, BPF_LDX, BPF_MEM, BPF_MISC, BPF_MOD, BPF_MUL, BPF_RET, BPF_RSH, BPF_ST,
        BPF_TAX, BPF_W, BPF_X, BPF_XOR,
    };

    pub(crate) const LOAD_BYTE: u16 = (BPF_LD | BPF_B | BPF_ABS) as u16;
    pub(crate) const LOAD_WORD: u16 = (BPF_LD | BPF_W | BPF_ABS) as u16;
    pub(crate) const LOAD_CONSTANT: u16 = (BPF_LD | BPF_IMM) as u16;
    pub(crate) const LOAD_MEMORY: u16 = (BPF_LD | BPF_MEM) as u16;
    pub(crate) const LOAD_X_MEMORY: u16 = (BPF_LDX | BPF_W | BPF_MEM) as u16;
    pub(crate) const STORE: u16 = BPF_ST as u16;
    pub(crate) const COPY_TO_X: u16 = (BPF_MISC | BPF_TAX) as u16;
    pub(crate) const ADD_X: u16 = (BPF_ALU | BPF_ADD | BPF_X) as u16;
    pub(crate) const XOR_X: u16 = (BPF_ALU | BPF_XOR | BPF_X) as u16;
    pub(crate) const AND: u16 = (BPF_ALU | BPF_AND | BPF_K) as u16;
    pub(crate) const MULTIPLY: u16 = (BPF_ALU | BPF_MUL | BPF_K) as u16;
    pub(crate) const MODULO: u16 = (BPF_ALU | BPF_MOD | BPF_K) as u16;
    pub(crate) const SHIFT_RIGHT: u16 = (BPF_ALU | BPF_RSH | BPF_K) as u16;
    pub(crate) const JUMP: u16 = (BPF_JMP | BPF_JA) as u16;
    pub(crate) const JUMP_IF_EQUAL: u16 = (BPF_JMP | BPF_JEQ | BPF_K) as u16;
    pub(crate) const JUMP_IF_AT_LEAST: u16 = (BPF_JMP | BPF_JGE | BPF_K) as u16;
    pub(crate) const RETURN: u16 = (BPF_RET | BPF_K) as u16;
    /// `BPF_A`, the accumulator, which the libc crate does not name.
    pub(crate) const RETURN_A: u16 = BPF_RET as u16 | 0x10;
}

/// A program in the making.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    instructions: Vec<Instruction>,
    /// Where each label stands, once that is known.
    labels: Vec<Option<usize>>,
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    /// A name for a place that is still to come.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The next instruction stands at `label`.
    pub(super) fn place(&mut self, label: Label) {
        self.labels[label.0] = Some(self.instructions.len());
    }

    pub(super) fn emit(&mut self, code: u16, operand: u32) {
        self.instructions.push(Instruction { code, if_true: 0, if_false: 0, operand });
    }

    /// Goes on at `label`, which is further down: classic BPF has no way back.
    pub(super) fn jump(&mut self, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.emit(op::JUMP, 0);
    }

    /// Goes on at `label` where `code` holds for A and `operand`, otherwise behind.
    pub(super) fn jump_if(&mut self, code: u16, operand: u32, label: Label) {
        // A conditional jump reaches 255 instructions, an unconditional one all of them.
        self.instructions.push(Instruction { code, if_true: 0, if_false: 1, operand });
        self.jump(label);
    }

    /// Returns `value` where A equals `operand`, otherwise goes on behind.
    pub(super) fn return_if_equal(&mut self, operand: u32, value: u32) {
        let code = op::JUMP_IF_EQUAL;
        self.instructions.push(Instruction { code, if_true: 0, if_false: 1, operand });
        self.emit(op::RETURN, value);
    }

    /// The finished program.
    pub(super) fn finish(mut self) -> Result<Vec<Instruction>, TooManyInstructions> {
        if self.instructions.len() > MOST_INSTRUCTIONS {
            return Err(TooManyInstructions);
        }
        for (from, label) in self.jumps {
            // Jumps are counted from the next instruction.
            let distance = self.labels[label.0].and_then(|to| to.checked_sub(from + 1));
            let distance = distance.and_then(|distance| u32::try_from(distance).ok());
            self.instructions[from].operand = distance.ok_or(TooManyInstructions)?;
        }
        Ok(self.instructions)
    }
}
