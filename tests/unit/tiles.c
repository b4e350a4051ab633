/* tiles.c - see tiles.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "config.h"

#include "tiles.h"

#if defined(__x86_64__) && defined(__linux__)
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#define ROWS 16
#define BYTES 64

static struct {
    bool configured;
    unsigned rows[8], bytes[8];
    unsigned char data[8][ROWS][BYTES];
} tiles;
static volatile unsigned long done;

unsigned long tiles_count(void) { return done; }

/* ---- Decoding: a VEX prefix of three bytes, opcode, ModRM, SIB, displacement */

typedef struct {
    unsigned map, prefix, opcode, mod, reg, rm, third; /* prefix: none, 66, F3, F2 */
    uintptr_t address, stride;
    size_t length;
} instruction;

static uintptr_t register_of(const ucontext_t *u, unsigned number)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (uintptr_t)u->uc_mcontext.gregs[order[number]];
}

static uintptr_t read_signed(const unsigned char *p, size_t bytes)
{
    int32_t wide;
    if (bytes == 1)
        return (uintptr_t)(intptr_t)(signed char)p[0];
    memcpy(&wide, p, sizeof wide);
    return (uintptr_t)(intptr_t)wide;
}

/* The operand in memory; index and scale are the stride of TILELOADD and TILESTORED. */
static void find_address(const ucontext_t *u, const unsigned char *code, unsigned x, unsigned b, instruction *in)
{
    size_t at = 5, bytes = in->mod == 1 ? 1 : in->mod == 2 ? 4 : 0;
    unsigned base = in->rm;
    bool has_base = true;
    if (in->rm == 4) {
        unsigned sib = code[at++], index = (sib >> 3 & 7) | x << 3;
        base = sib & 7;
        in->stride = index != 4 ? register_of(u, index) << (sib >> 6) : 0;
    }
    if (base == 5 && in->mod == 0) {
        has_base = in->rm != 4; /* without SIB: relative to the next instruction */
        bytes = 4;
    }
    uintptr_t displacement = bytes > 0 ? read_signed(code + at, bytes) : 0;
    in->length = at + bytes;
    if (base == 5 && in->mod == 0 && in->rm != 4)
        in->address = (uintptr_t)code + in->length + displacement;
    else
        in->address = displacement + (has_base ? register_of(u, base | b << 3) : 0);
}

static bool decode(const ucontext_t *u, instruction *in)
{
    const unsigned char *code = (const unsigned char *)u->uc_mcontext.gregs[REG_RIP];
    if (code[0] != 0xc4)
        return false;
    unsigned x = (code[1] >> 6 & 1) ^ 1, b = (code[1] >> 5 & 1) ^ 1;
    *in = (instruction){.map = code[1] & 31, .prefix = code[2] & 3, .opcode = code[3], .mod = code[4] >> 6,
                        .reg = code[4] >> 3 & 7, .rm = code[4] & 7, .third = (code[2] >> 3 & 15) ^ 15, .length = 5};
    if (in->mod != 3)
        find_address(u, code, x, b, in);
    return in->map == 2 && (code[2] & 0x84) == 0; /* W and L are 0 */
}

/* ---- What they do */

static bool load_config(const unsigned char *from)
{
    memset(&tiles, 0, sizeof tiles);
    for (size_t i = 0; i < 8; i++) {
        tiles.bytes[i] = from[16 + 2 * i] | (unsigned)from[17 + 2 * i] << 8;
        tiles.rows[i] = from[48 + i];
        if (tiles.bytes[i] > BYTES || tiles.rows[i] > ROWS || (tiles.bytes[i] == 0) != (tiles.rows[i] == 0))
            return false;
    }
    return tiles.configured = from[0] == 1 && from[1] == 0;
}

static bool is_there(unsigned t) { return tiles.configured && t < 8 && tiles.rows[t] > 0; }

static bool load(const instruction *in)
{
    if (!is_there(in->reg))
        return false;
    memset(tiles.data[in->reg], 0, sizeof tiles.data[in->reg]);
    for (unsigned r = 0; r < tiles.rows[in->reg]; r++)
        memcpy(tiles.data[in->reg][r], (const void *)(in->address + r * in->stride), tiles.bytes[in->reg]);
    return true;
}

static bool save(const instruction *in)
{
    for (unsigned r = 0; is_there(in->reg) && r < tiles.rows[in->reg]; r++)
        memcpy((void *)(in->address + r * in->stride), tiles.data[in->reg][r], tiles.bytes[in->reg]);
    return is_there(in->reg);
}

/* A bfloat16 as a float; what is too small to be normal is 0. */
static float number(const unsigned char *p)
{
    uint32_t u = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24;
    float f;
    memcpy(&f, &u, sizeof f);
    return fpclassify(f) == FP_SUBNORMAL ? 0 : f;
}

static bool multiply(unsigned c, unsigned a, unsigned b)
{
    if (!is_there(a) || !is_there(b) || !is_there(c) || tiles.rows[a] != tiles.rows[c] ||
        tiles.bytes[b] != tiles.bytes[c] || tiles.bytes[a] / 4 != tiles.rows[b] || a == b || a == c || b == c)
        return false;
    for (unsigned m = 0; m < tiles.rows[c]; m++)
        for (unsigned k = 0; k < tiles.rows[b]; k++)
            for (unsigned n = 0; n < tiles.bytes[c] / 4; n++) {
                float sum;
                memcpy(&sum, &tiles.data[c][m][4 * n], sizeof sum);
                for (unsigned i = 0; i < 4; i += 2)
                    sum += number(&tiles.data[a][m][4 * k + i]) * number(&tiles.data[b][k][4 * n + i]);
                memcpy(&tiles.data[c][m][4 * n], &sum, sizeof sum);
            }
    return true;
}

static bool perform(const instruction *in)
{
    enum { NONE, P66, PF3, PF2 };
    if (in->opcode == 0x49 && in->prefix == NONE && in->mod != 3)
        return load_config((const unsigned char *)in->address);
    if (in->opcode == 0x49 && in->prefix == NONE && in->reg == 0 && in->rm == 0) {
        memset(&tiles, 0, sizeof tiles); /* TILERELEASE */
        return true;
    }
    if (in->opcode == 0x49 && in->prefix == PF2 && in->mod == 3 && is_there(in->reg)) {
        memset(tiles.data[in->reg], 0, sizeof tiles.data[in->reg]);
        return true;
    }
    if (in->opcode == 0x4b && in->mod != 3 && in->rm == 4 && (in->prefix == PF2 || in->prefix == PF3))
        return in->prefix == PF2 ? load(in) : save(in);
    return in->opcode == 0x5c && in->prefix == PF3 && in->mod == 3 && multiply(in->reg, in->rm, in->third);
}

static void handler(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    instruction in;
    (void)info;
    if (decode(u, &in) && perform(&in)) {
        u->uc_mcontext.gregs[REG_RIP] += (greg_t)in.length;
        done++;
    } else {
        signal(signal_number, SIG_DFL); /* the instruction comes again, and ends the process */
    }
}

bool tiles_emulate(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    return sigaction(SIGILL, &action, NULL) == 0;
}

#else
unsigned long tiles_count(void) { return 0; }
bool tiles_emulate(void) { return false; }
#endif
