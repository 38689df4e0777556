/* A command for `simple-ipc listen --exec` under Windows, which has no shell's: what it does is its first argument.
 *
 *     handler upper         prints its input in capitals
 *     handler fail          says why on standard error, and fails
 *     handler large N       prints N letters
 *     handler variables     prints channel and kind
 *     handler lines N       prints N lines
 *     handler stay FILE     writes its process id to FILE, and never ends
 *     handler family FILE   starts `handler stay FILE`, and never ends */
#include <ctype.h>
#include <fcntl.h>
#include <io.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "", *what = argc > 2 ? argv[2] : "";
    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
    if (strcmp(how, "upper") == 0) {
        for (int c; (c = getchar()) != EOF;)
            putchar(toupper(c));
    } else if (strcmp(how, "fail") == 0) {
        fputs("out of order\n", stderr);
        return 3;
    } else if (strcmp(how, "large") == 0) {
        for (long left = atol(what); left > 0; left--)
            putchar('a');
    } else if (strcmp(how, "variables") == 0) {
        printf("%s %s", getenv("SIMPLE_IPC_CHANNEL"), getenv("SIMPLE_IPC_KIND"));
    } else if (strcmp(how, "lines") == 0) {
        for (int line = 1; line <= atoi(what); line++)
            printf("%d\n", line);
    } else if (strcmp(how, "family") == 0) {
        if (_spawnl(_P_NOWAIT, argv[0], argv[0], "stay", what, NULL) == -1)
            return 1;
        Sleep(INFINITE);
    } else if (strcmp(how, "stay") == 0) {
        FILE *file = fopen(what, "w");
        if (!file || fprintf(file, "%lu\n", GetCurrentProcessId()) < 0 || fclose(file) != 0)
            return 1;
        Sleep(INFINITE);
    } else {
        fprintf(stderr, "handler: unknown argument \"%s\"\n", how);
        return 2;
    }
    return 0;
}
