/* Runs a program of Windows under Wine with pipes of Windows as its standard input and output, and copies between them and its own,
 * which come from Linux: `relay PROGRAM [ARGUMENT…]`. Node and Bun ask the system of what kind their pipes are, and the command whether
 * something waits in one, and Wine does not say so of those of Linux. The program ends with this one, however that ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static void fail(const char *what) {
    fprintf(stderr, "relay: cannot %s: error %lu\n", what, GetLastError());
    ExitProcess(1);
}

/* Copies until one side has ended, and closes both, so that the other side hears of it. */
static void copy(HANDLE from, HANDLE to) {
    char data[65536];
    DWORD got, sent = 1;
    while (sent > 0 && ReadFile(from, data, sizeof data, &got, NULL) && got > 0)
        for (DWORD done = 0; done < got && sent > 0; done += sent)
            if (!WriteFile(to, data + done, got - done, &sent, NULL))
                sent = 0;
    CloseHandle(to);
    CloseHandle(from);
}

static HANDLE to_program;

static DWORD WINAPI copy_input(void *unused) {
    (void)unused;
    copy(GetStdHandle(STD_INPUT_HANDLE), to_program);
    return 0;
}

/* A pipe of which the program gets one end; the other end is this process's alone. */
static void make_pipe(HANDLE *reads, HANDLE *writes, HANDLE *own) {
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    if (!CreatePipe(reads, writes, &inherited, 65536) || !SetHandleInformation(*own, HANDLE_FLAG_INHERIT, 0))
        fail("make a pipe");
}

/* Whatever is in the job ends when this process does, which alone has its handle. */
static HANDLE make_job(void) {
    HANDLE job = CreateJobObjectW(NULL, NULL);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;
    memset(&limits, 0, sizeof limits);
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (job == NULL || !SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits))
        fail("make a job");
    return job;
}

/* Appends an argument as programs of Windows take it. No argument here has a backslash before a quotation mark, or at its end. */
static char *append(char *end, const char *argument) {
    *end++ = '"';
    for (; *argument != '\0'; *end++ = *argument++)
        if (*argument == '"')
            *end++ = '\\';
    *end++ = '"';
    *end++ = ' ';
    return end;
}

int main(int argc, char **argv) {
    char line[8192], *end = line;
    if (argc < 2) {
        fprintf(stderr, "usage: relay PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    for (int at = 1; at < argc; at++) {
        if ((size_t)(line + sizeof line - end) < 2 * strlen(argv[at]) + 4) {
            fprintf(stderr, "relay: the arguments are too long\n");
            return 2;
        }
        end = append(end, argv[at]);
    }
    *end = '\0';
    STARTUPINFOA start;
    memset(&start, 0, sizeof start);
    start.cb = sizeof start;
    start.dwFlags = STARTF_USESTDHANDLES;
    HANDLE from_program;
    make_pipe(&start.hStdInput, &to_program, &to_program);
    make_pipe(&from_program, &start.hStdOutput, &from_program);
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    HANDLE job = make_job();
    PROCESS_INFORMATION program;
    if (!CreateProcessA(NULL, line, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL, &start, &program))
        fail("start the program");
    if (!AssignProcessToJobObject(job, program.hProcess))
        fail("put the program into the job");
    ResumeThread(program.hThread);
    CloseHandle(start.hStdInput);
    CloseHandle(start.hStdOutput);
    if (CreateThread(NULL, 0, copy_input, NULL, 0, NULL) == NULL)
        fail("start a thread");
    copy(from_program, GetStdHandle(STD_OUTPUT_HANDLE));
    DWORD status = 1;
    WaitForSingleObject(program.hProcess, INFINITE);
    GetExitCodeProcess(program.hProcess, &status);
    ExitProcess(status);
}
