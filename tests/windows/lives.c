/* Prints `lives` or `ended` of the process whose id is the argument. */
#include <stdio.h>
#include <stdlib.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

int main(int argc, char **argv) {
    HANDLE process = OpenProcess(SYNCHRONIZE, 0, argc > 1 ? strtoul(argv[1], NULL, 10) : 0);
    int lives = process != NULL && WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
    puts(lives ? "lives" : "ended");
    return 0;
}
