/* pel.c - the front door: lists the programs of the suite, and runs one of them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/base.h>

static const struct {
    const char *name, *does;
} programs[] = {
    {"read", "files to a stream"},
    {"write", "a stream to files"},
    {"info", "what is in a stream"},
    {"cat", "select, join and shuffle frames and streams"},
    {"crop", "cut out a region, or random patches"},
    {"tile", "cut into overlapping tiles"},
    {"untile", "blend tiles back"},
    {"psf", "make a point-spread function"},
    {"blur", "degrade: convolve with a PSF"},
    {"shake", "degrade: blur by a moving camera and moving things"},
    {"noise", "degrade: add noise"},
    {"blind", "estimate the PSF from the picture alone"},
    {"wiener", "restore: Wiener filter"},
    {"rl", "restore: Richardson-Lucy deconvolution"},
    {"tv", "restore: total variation or hyper-Laplacian prior"},
    {"cnn", "restore: a neural network (ONNX)"},
    {"pnp", "restore: a network that removes noise and the data in turn"},
    {"net", "write an untrained network"},
    {"train", "train a network on pairs of pictures"},
    {"score", "metrics against the truth"},
};

static int list(FILE *to)
{
    fprintf(to, "Usage: pel PROGRAM [ARGUMENT...]   runs pel-PROGRAM\n"
                "       pel --help | --version\n\n"
                "Restores blurred pictures, volumes and video. Programs read a stream of frames\n"
                "on stdin and write one on stdout:\n\n"
                "  pel-read blurred.tif | pel-wiener -k gauss:2 | pel-write sharp.tif\n\n");
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        fprintf(to, "  pel-%-8s %s\n", programs[i].name, programs[i].does);
    fprintf(to, "\nEach has --help and a manual page; the stream is described in pel(5).\n");
    if (fflush(to) != 0 || ferror(to)) {
        fprintf(stderr, "pel: cannot write: %s\n", strerror(errno));
        return 1;
    }
    return 0;
}

static int print_version(void)
{
    printf("pel (Pellucid) %s\n", pel_version());
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "pel: cannot write: %s\n", strerror(errno));
        return 1;
    }
    return 0;
}

static bool known(const char *name)
{
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        if (strcmp(programs[i].name, name) == 0)
            return true;
    return false;
}

/* The program beside this one comes before one in PATH: a build tree runs its own. */
static void run_beside(const char *program, char **argv)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return;
    *slash = '\0';
    /* libtool keeps the real program in .libs, and a wrapper that finds the libraries above it. */
    char *last = strrchr(path, '/');
    if (last != NULL && strcmp(last, "/.libs") == 0)
        *last = '\0';
    size_t room = sizeof path - strlen(path), length = strlen(path);
    if ((size_t)snprintf(path + length, room, "/%s", program) < room)
        execv(path, argv);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        list(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0)
        return list(stdout);
    if (strcmp(argv[1], "--version") == 0)
        return print_version();
    const char *name = strncmp(argv[1], "pel-", 4) == 0 ? argv[1] + 4 : argv[1];
    if (!known(name)) {
        fprintf(stderr, "pel: there is no program '%s' (see pel --help)\n", argv[1]);
        return 2;
    }
    char program[32];
    snprintf(program, sizeof program, "pel-%s", name);
    argv[1] = program;
    run_beside(program, argv + 1);
    execvp(program, argv + 1);
    fprintf(stderr, "pel: cannot run %s: %s\n", program, strerror(errno));
    return 1;
}
