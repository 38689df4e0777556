/* Reads freed memory. A run of the tests under a checker counts only if the checker finds this. */
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    char *text = malloc(16);
    if (!text)
        return 2;
    strncpy(text, argv[argc - 1], 15);
    free(text);
    return text[3] == 'x' ? 3 : 0;
}
