/* A plugin in C that tries what it is told, and returns the error number of the system: 0 if it could. Its kinds differ in
 * what they declare: nothing, an effect, the network, or that their input is a file.
 *
 *     cc -shared -fPIC -pthread -I crates/abi/include tests/plugin_c/zoo/nosy.c -o libnosy.so */

#define _GNU_SOURCE

#include "rondel.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Text for the host; only for literals. */
#define STR(literal) ((rondel_str){(literal), sizeof(literal) - 1})

/* The file that was written last. */
static char written[4096];

static int opens(const char *path, int flags) {
    int file = open(path, flags, 0600);
    if (file < 0) return errno;
    if (flags & O_CREAT) snprintf(written, sizeof written, "%s", path);
    close(file);
    return 0;
}

/* Leaves a note beside it. */
static void deinit(void) {
    char note[sizeof written + 8];
    snprintf(note, sizeof note, "%s.ended", written);
    if (*written) opens(note, O_WRONLY | O_CREAT);
}

static int connects(int family) {
    int end = socket(family, SOCK_STREAM, 0);
    if (end < 0) return errno;
    /* Whether anybody listens there is not the question. */
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int error = family == AF_INET && connect(end, (struct sockaddr *)&nobody, sizeof nobody) ? errno : 0;
    close(end);
    return error == ECONNREFUSED ? 0 : error;
}

static int forks(void) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child < 0) return errno;
    waitpid(child, 0, 0);
    return 0;
}

static int runs(const char *path) {
    execl(path, path, (char *)0);
    return errno;
}

static void *nothing(void *unused) { return unused; }

static int starts_a_thread(void) {
    pthread_t thread;
    int error = pthread_create(&thread, 0, nothing, 0);
    return error ? error : pthread_join(thread, 0);
}

static int writes_temp(void) {
    char path[4096];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/note", folder ? folder : "/tmp");
    return opens(path, O_WRONLY | O_CREAT);
}

static int error_of(long result) { return result < 0 ? errno : 0; }

/* These ask and change nothing, in case that they may. */
static int limits(pid_t process) { return error_of(prlimit(process, RLIMIT_CPU, 0, &(struct rlimit){0})); }

static int binds(pid_t process) {
    cpu_set_t processors;
    sched_getaffinity(process, sizeof processors, &processors);
    return error_of(sched_setaffinity(process, sizeof processors, &processors));
}

static int shares_memory(void) {
    int memory = shmget(IPC_PRIVATE, 4096, 0600);
    if (memory >= 0) shmctl(memory, IPC_RMID, 0);
    return error_of(memory);
}

/* The same call by its second number, on machines where it has two; nobody is nobody's process. */
static int calls_by_other_numbers(void) {
#ifdef __x86_64__
    return error_of(syscall(0x40000000 | SYS_getpid));
#else
    return ENOSYS;
#endif
}

/* `what` may be followed by a path. */
static int tries(const char *what, const char *path) {
    if (!strcmp(what, "read")) return opens(path, O_RDONLY);
    if (!strcmp(what, "write")) return opens(path, O_WRONLY | O_CREAT);
    if (!strcmp(what, "run")) return runs(path);
    if (!strcmp(what, "temp")) return writes_temp();
    if (!strcmp(what, "internet")) return connects(AF_INET);
    if (!strcmp(what, "local socket")) return connects(AF_UNIX);
    if (!strcmp(what, "fork")) return forks();
    if (!strcmp(what, "thread")) return starts_a_thread();
    if (!strcmp(what, "signal its parent")) return kill(getppid(), 0) ? errno : 0;
    if (!strcmp(what, "signal itself")) return kill(getpid(), 0) ? errno : 0;
    if (!strcmp(what, "look into its parent")) return ptrace(PTRACE_ATTACH, getppid(), 0, 0) ? errno : 0;
    if (!strcmp(what, "limit its parent")) return limits(getppid());
    if (!strcmp(what, "limit itself")) return limits(0) | limits(getpid());
    if (!strcmp(what, "bind its parent")) return binds(getppid());
    if (!strcmp(what, "bind itself")) return binds(0);
    if (!strcmp(what, "slow its parent")) return error_of(setpriority(PRIO_PROCESS, getppid(), 0));
    if (!strcmp(what, "slow its group")) return error_of(setpriority(PRIO_PGRP, 0, 0));
    if (!strcmp(what, "shared memory")) return shares_memory();
    if (!strcmp(what, "hide")) return error_of(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
    if (!strcmp(what, "other numbers")) return calls_by_other_numbers();
    if (!strcmp(what, "mode")) return error_of(chmod(path, 0600));
    if (!strcmp(what, "owner")) return error_of(chown(path, getuid(), getgid()));
    if (!strcmp(what, "times")) return error_of(utimensat(AT_FDCWD, path, 0, 0));
    if (!strcmp(what, "attribute")) return error_of(setxattr(path, "user.nosy", "1", 1, 0));
    if (!strcmp(what, "cut")) return error_of(truncate(path, 0));
    if (!strcmp(what, "descriptor")) return error_of(fcntl(atoi(path), F_GETFD));
    if (!strcmp(what, "environment")) return getenv(path) ? 0 : ENOENT;
    return -1;
}

static void copy(char *to, size_t size, rondel_str from) {
    size_t n = from.len < size ? from.len : size - 1;
    memcpy(to, from.ptr, n);
    to[n] = 0;
}

static rondel_status run(const rondel_node *node, const rondel_call *call) {
    (void)node;
    char what[64], path[4096];
    copy(what, sizeof what, call->inputs[0].as.text);
    copy(path, sizeof path, call->inputs[1].as.text);
    return call->set_output(call, 0, &(rondel_value){.tag = RONDEL_INT, .as.i = tries(what, path)});
}

#define NODE(kind, more, of_path)                                                                                          \
    {.struct_size = sizeof(rondel_node),                                                                                  \
     .spec_json = STR("{\"kind\": \"nosy." kind "\", \"version\": 1, \"category\": \"test\", \"doc\": \"Tries.\"," more    \
                      " \"inputs\": [{\"name\": \"what\", \"type\": \"Text\"},"                                            \
                      " {\"name\": \"path\", \"type\": \"Text\", \"default\": \"\"" of_path "}],"                          \
                      " \"outputs\": [{\"name\": \"error\", \"type\": \"Int\"}]}"),                                        \
     .run = run}

static const rondel_node nodes[] = {
    NODE("pure", "", ""),
    NODE("effect", " \"effect\": true,", ""),
    NODE("net", " \"lane\": \"Net\",", ""),
    NODE("file", "", ", \"file\": true"),
};

static uint32_t count(const rondel_node_factory *factory) {
    (void)factory;
    return sizeof(nodes) / sizeof(nodes[0]);
}

static const rondel_node *get(const rondel_node_factory *factory, uint32_t index) {
    return index < count(factory) ? &nodes[index] : 0;
}

static const rondel_node_factory factory = {.struct_size = sizeof(rondel_node_factory), .count = count, .get = get};

static const void *get_factory(rondel_str id) {
    const rondel_str known = STR(RONDEL_NODE_FACTORY);
    return id.len == known.len && memcmp(id.ptr, known.ptr, id.len) == 0 ? &factory : 0;
}

const rondel_entry rondel_entry_nosy = {
    .struct_size = sizeof(rondel_entry),
    .abi_major = RONDEL_ABI_MAJOR,
    .abi_minor = RONDEL_ABI_MINOR,
    .name = STR("nosy"),
    .version = STR("0.1.0"),
    .build = STR("c"),
    .deinit = deinit,
    .get_factory = get_factory,
};
