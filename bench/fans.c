/* Thousands of apps on one thread: real WebSockets that speak the client SDKs' protocol.

   fans PORT FILE AUTHORIZATION

   FILE has a line per app: its token, then each object as TYPE:SID:INDEX, INDEX the next one of a list. The token `-`
   makes an app that answers nothing, and takes each frame for a message that begins with an m.

   Commands on stdin; each has one answer, when it is done:
     connect FIRST LAST AT_ONCE      ready SECONDS      connected, subscribed and caught up
     cut FIRST LAST                  cut                their connections are reset
     post PATH COUNT WINDOW MICROS   posted SECONDS LATENCY...   ns from each post to its last delivery; WINDOW are
                                     under way at a time, and one begins every MICROS
     stats                           lines `list SID APP NEXT`, then
                                     `stats FRAMES BYTES MESSAGES MESSAGEBYTES FAULTS`

   Every notification is acknowledged, each in a write of its own as the SDKs do it. Every event of every app is
   checked: its id is above the last one's of its object, and an added message has the very next index. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SID = 34, ROOM = 1 << 20, POSTERS = 256, BODY = 1000, NONE = -1 };
enum stage { AWAY, CONNECTING, SHAKING, INIT, SUBSCRIBING, READY };

struct object {
    char type[9], sid[SID + 1];
    long next, last; /* index of the next message; id of the last event */
    int is_established;
};

struct app {
    int fd, count, missing; /* objects, and how many are not established */
    enum stage stage;
    char *token;
    struct object *objects;
    long frames;
    char *in, *out; /* the beginning of a frame, and what could not be sent yet */
    size_t in_size, out_size;
};

struct poster {
    int fd, is_answered, is_delivered;
    long number; /* of its last message */
};

static struct app *apps;
static struct poster posters[POSTERS];
static int app_count, listening, port, epoll;
static struct sockaddr_in address;
static char room[ROOM];
static long frames, bytes, messages, message_bytes, faults;
static size_t frame_size; /* of the frame that is being taken */

static int first, last, cursor, at_once, unready; /* of `connect` */
static long long begun;

static char path[512], authorization[512];
static long total, started, finished, window, micros, *seen; /* of `post` */
static long long *posted_at, *latency;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fault(const char *format, ...) {
    va_list rest;
    if (++faults > 20) return;
    va_start(rest, format);
    fprintf(stderr, "fans: ");
    vfprintf(stderr, format, rest);
    fprintf(stderr, "\n");
    va_end(rest);
}

static void *must(void *got) {
    if (!got) abort();
    return got;
}

static void watch(int fd, int how, unsigned events, void *who) {
    struct epoll_event event = {.events = events, .data.ptr = who};
    if (epoll_ctl(epoll, how, fd, &event) < 0) fault("epoll: %s", strerror(errno));
}

static int dial(void) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        perror("fans: socket");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) fault("connect");
    return fd;
}

static void hang_up(int fd) { /* with a reset, so that no port waits for its end */
    struct linger reset = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}

/* Sending */

static void send_bytes(struct app *a, const char *data, size_t size) {
    ssize_t sent = a->out_size ? 0 : send(a->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0) sent = 0;
    if ((size_t)sent == size) return;
    a->out = must(realloc(a->out, a->out_size + size - sent));
    memcpy(a->out + a->out_size, data + sent, size - sent);
    a->out_size += size - sent;
    watch(a->fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT, a);
}

static void send_rest(struct app *a) {
    ssize_t sent = send(a->fd, a->out, a->out_size, MSG_NOSIGNAL);
    if (sent <= 0) return;
    a->out_size -= sent;
    memmove(a->out, a->out + sent, a->out_size);
    if (!a->out_size) watch(a->fd, EPOLL_CTL_MOD, EPOLLIN, a);
}

static void send_frame(struct app *a, int opcode, const char *payload, size_t size) {
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    static char frame[32768];
    size_t head = 2;
    frame[0] = (char)(0x80 | opcode);
    if (size < 126)
        frame[1] = (char)(0x80 | size);
    else {
        frame[1] = (char)(0x80 | 126);
        frame[2] = (char)(size >> 8);
        frame[3] = (char)size;
        head = 4;
    }
    memcpy(frame + head, mask, 4);
    for (size_t i = 0; i < size; i++) frame[head + 4 + i] = (char)(payload[i] ^ mask[i % 4]);
    send_bytes(a, frame, head + 4 + size);
}

static void send_packet(struct app *a, const char *header, size_t header_size, const char *payload, size_t size) {
    static char packet[32768];
    int head = sprintf(packet, "TWILSOCK V3.0 %zu\r\n", header_size);
    memcpy(packet + head, header, header_size);
    memcpy(packet + head + header_size, "\r\n", 2);
    memcpy(packet + head + header_size + 2, payload, size);
    send_frame(a, 2, packet, head + header_size + 2 + size);
}

static void acknowledge(struct app *a, const char *id, int id_size) {
    char header[256];
    int size = snprintf(header, sizeof header,
                        "{\"id\":\"%.*s\",\"method\":\"reply\",\"payload_type\":\"application/json\","
                        "\"status\":{\"code\":200,\"status\":\"OK\"},\"payload_size\":0}", id_size, id);
    send_packet(a, header, size, "", 0);
}

static void say_hello(struct app *a) {
    static char header[16384];
    int size = snprintf(header, sizeof header,
                        "{\"id\":\"TMinit\",\"method\":\"init\",\"token\":\"%s\",\"continuation_token\":null,"
                        "\"metadata\":{\"ver\":\"0.12.2\",\"env\":\"bench\",\"type\":\"chat\",\"sdk\":\"JS\","
                        "\"sdkv\":\"6.0.0\"},\"capabilities\":[\"client_update\"],\"payload_size\":0}", a->token);
    send_packet(a, header, size, "", 0);
}

static void subscribe(struct app *a) { /* to what is not established */
    static char body[16384], header[512];
    int size = sprintf(body, "{\"event_protocol_version\":4,\"action\":\"establish\",\"correlation_id\":%d,"
                             "\"retried_requests\":0,\"ttl_in_s\":-1,\"requests\":[", 1);
    for (int i = 0; i < a->count; i++) {
        struct object *o = &a->objects[i];
        if (o->is_established) continue;
        if (body[size - 1] == '}') body[size++] = ',';
        size += sprintf(body + size, "{\"object_sid\":\"%s\",\"object_type\":\"%s\",\"last_event_id\":",
                        o->sid, o->type);
        size += o->last < 0 ? sprintf(body + size, "null}") : sprintf(body + size, "%ld}", o->last);
    }
    size += sprintf(body + size, "]}");
    int head = sprintf(header,
                       "{\"id\":\"TMsubscribe\",\"method\":\"message\",\"active_grant\":\"ip_messaging\","
                       "\"payload_type\":\"application/json\",\"http_request\":{\"host\":\"cds.us1.twilio.com\","
                       "\"path\":\"/v4/Subscriptions\",\"method\":\"POST\",\"params\":{},"
                       "\"headers\":{\"Content-Type\":\"application/json\"}},\"payload_size\":%d}", size);
    send_packet(a, header, head, body, size);
}

/* Connecting */

static void start_connecting(void) {
    while (cursor <= last && unready < at_once) {
        struct app *a = &apps[cursor++];
        a->fd = dial();
        a->stage = CONNECTING;
        unready++;
        watch(a->fd, EPOLL_CTL_ADD, EPOLLOUT, a);
    }
}

static void become_ready(struct app *a) {
    if (a->stage == READY) return;
    a->stage = READY;
    listening++;
    unready--;
    start_connecting();
    if (!unready && cursor > last) {
        printf("ready %.3f\n", (now() - begun) / 1e9);
        fflush(stdout);
    }
}

static void lose(struct app *a) {
    if (a->stage == READY) listening--;
    a->stage = AWAY;
    a->in_size = a->out_size = 0;
    hang_up(a->fd);
}

static void shake(struct app *a) {
    static const char request[] =
        "GET /v3/wsconnect HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    watch(a->fd, EPOLL_CTL_MOD, EPOLLIN, a);
    a->stage = SHAKING;
    send_bytes(a, request, sizeof request - 1);
}

/* Receiving */

static const char *find(const char *data, size_t size, const char *what) {
    const char *found = memmem(data, size, what, strlen(what));
    return found ? found + strlen(what) : NULL;
}

static long number_after(const char *data, size_t size, const char *what) {
    const char *found = find(data, size, what);
    return found ? strtol(found, NULL, 10) : NONE;
}

static struct object *object_after(struct app *a, const char *data, size_t size, const char *what) {
    const char *found = find(data, size, what);
    for (int i = 0; found && i < a->count; i++)
        if (!memcmp(a->objects[i].sid, found, SID)) return &a->objects[i];
    return NULL;
}

static void delivered(long number) {
    if (number < 0 || number >= started || ++seen[number] != listening) return;
    latency[number] = now() - posted_at[number];
    finished++;
    for (int i = 0; i < window; i++) posters[i].is_delivered |= posters[i].number == number;
}

static void take_event(struct app *a, struct object *o, const char *type, const char *data, size_t size) {
    long id = number_after(data, size, "\"event\":{\"id\":");
    if (!o) {
        fault("an event of an object that the app has not asked for");
        return;
    }
    if (id <= o->last) fault("%s: event %ld after %ld", o->sid, id, o->last);
    o->last = id;
    if (strncmp(type, "list_item_added", 15)) return;
    long index = number_after(data, size, "\"item_index\":");
    if (index != o->next) fault("%s: message %ld came where %ld was to come", o->sid, index, o->next);
    o->next = index + 1;
    messages++;
    message_bytes += frame_size;
    if (a->stage == READY) delivered(number_after(data, size, "\"text\":\"#"));
}

static void take_subscription(struct app *a, const char *type, const char *data, size_t size) {
    struct object *o = object_after(a, data, size, "\"object_sid\":\"");
    if (!o || strncmp(type, "subscription_established", 24)) {
        fault("refused: %.*s", (int)size, data);
        return;
    }
    if (find(data, size, "\"replay_status\":\"completed\"")) {
        o->is_established = 1;
        o->last = number_after(data, size, "\"last_event_id\":");
    } else
        fault("interrupted: %s", o->sid);
    if (!--a->missing) become_ready(a);
}

static void take_notification(struct app *a, const char *data, size_t size) {
    const char *type = find(data, size, "\"event_type\":\"");
    if (!type) return;
    if (!strncmp(type, "subscription_", 13))
        take_subscription(a, type, data, size);
    else {
        char key[32];
        snprintf(key, sizeof key, "\"%s_sid\":\"", type[0] == 'l' ? "list" : type[0] == 'm' ? "map" : "document");
        take_event(a, object_after(a, data, size, key), type, data, size);
    }
}

static void take_packet(struct app *a, const char *data, size_t size) {
    const char *header = find(data, size < 64 ? size : 64, "\r\n");
    long header_size = number_after(data, size < 64 ? size : 64, "TWILSOCK V3.0 ");
    if (!header || header_size < 0 || header + header_size + 2 > data + size) {
        fault("no packet");
        return;
    }
    const char *id = find(header, header_size, "\"id\":\"");
    int is_good = find(header, header_size, "\"code\":200") != NULL;
    if (find(header, header_size, "\"method\":\"notification\"")) {
        acknowledge(a, id, (int)(strchr(id, '"') - id));
        take_notification(a, header + header_size + 2, data + size - header - header_size - 2);
    } else if (!is_good)
        fault("%.*s", (int)(header_size), header);
    else if (a->stage == INIT) {
        a->stage = SUBSCRIBING;
        a->missing = a->count;
        if (a->count) subscribe(a);
        else become_ready(a);
    }
}

static void take_frame(struct app *a, int opcode, const char *data, size_t size) {
    if (opcode == 9) send_frame(a, 10, data, size);
    if (opcode != 2) return;
    frames++;
    bytes += frame_size = size;
    if (strcmp(a->token, "-"))
        take_packet(a, data, size);
    else if (data[0] == 'm')
        delivered(a->frames++);
}

static size_t take_frames(struct app *a, char *data, size_t size) { /* how much was whole */
    size_t at = 0;
    while (size - at >= 2 && a->stage != AWAY) {
        unsigned char *head = (unsigned char *)data + at;
        size_t start = 2, length = head[1];
        if (length >= 126) {
            size_t wide = length == 126 ? 2 : 8;
            if (size - at < 2 + wide) break;
            for (length = 0; start < 2 + wide; start++) length = length << 8 | head[start];
        }
        if (size - at < start + length) break;
        take_frame(a, head[0] & 15, data + at + start, length);
        at += start + length;
    }
    return at;
}

static size_t take_answer(struct app *a, char *data, size_t size) { /* to the handshake */
    const char *end = find(data, size, "\r\n\r\n");
    if (!end) return 0;
    if (!find(data, 16, " 101 ")) {
        fault("%.*s", (int)size, data);
        lose(a);
        return 0;
    }
    if (strcmp(a->token, "-")) {
        a->stage = INIT;
        say_hello(a);
    } else
        become_ready(a);
    return end - data;
}

static void receive(struct app *a) {
    memcpy(room, a->in, a->in_size);
    ssize_t got = recv(a->fd, room + a->in_size, ROOM - a->in_size, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) return;
        fault("app %ld has lost its connection: %s", (long)(a - apps), got ? strerror(errno) : "closed");
        lose(a);
        return;
    }
    size_t size = a->in_size + got, at = 0;
    if (a->stage == SHAKING) at = take_answer(a, room, size);
    if (a->stage > SHAKING) at += take_frames(a, room + at, size - at);
    if (a->stage == AWAY) return;
    a->in_size = size - at;
    if (a->in_size) {
        a->in = must(realloc(a->in, a->in_size));
        memcpy(a->in, room + at, a->in_size);
    }
}

/* Posting */

static void post(struct poster *p) {
    static char request[4096], body[BODY + 64];
    int size = sprintf(body, "From=anna&Body=%%23%09ld+", started);
    while (size < BODY + 16) size += sprintf(body + size, "%c", 'a' + size % 26);
    int all = sprintf(request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %s\r\n"
                               "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
                      path, authorization, size, body);
    p->number = started;
    p->is_answered = p->is_delivered = 0;
    posted_at[started++] = now();
    if (send(p->fd, request, all, MSG_NOSIGNAL) != all) fault("could not post: %s", strerror(errno));
}

static void take_response(struct poster *p) {
    ssize_t got = recv(p->fd, room, ROOM, 0);
    if (got <= 0) {
        fault("the server has closed a poster's connection");
        watch(p->fd, EPOLL_CTL_DEL, 0, NULL);
        return;
    }
    if (find(room, got, " HTTP/") || !find(room, got < 32 ? got : 32, "HTTP/1.1 20")) {
        fault("%.*s", (int)got, room);
        return;
    }
    p->is_answered = 1;
}

static void post_what_is_due(void) {
    for (int i = 0; i < window && started < total; i++) {
        if (micros && now() < begun + started * micros * 1000) return;
        if (posters[i].is_answered && posters[i].is_delivered) post(&posters[i]);
    }
    if (finished < total) return;
    printf("posted %.6f", (now() - begun) / 1e9);
    for (long i = 0; i < total; i++) printf(" %lld", latency[i]);
    printf("\n");
    fflush(stdout);
    for (int i = 0; i < window; i++) hang_up(posters[i].fd);
    window = 0;
}

static void start_posting(void) {
    started = finished = 0;
    seen = must(realloc(seen, total * sizeof *seen));
    posted_at = must(realloc(posted_at, total * sizeof *posted_at));
    latency = must(realloc(latency, total * sizeof *latency));
    memset(seen, 0, total * sizeof *seen);
    for (int i = 0; i < app_count; i++) apps[i].frames = 0;
    for (int i = 0; i < window; i++) {
        posters[i] = (struct poster){dial(), 1, 1, NONE};
        fcntl(posters[i].fd, F_SETFL, 0);
        watch(posters[i].fd, EPOLL_CTL_ADD, EPOLLIN, &posters[i]);
    }
    begun = now();
}

/* Commands */

static void tell_stats(void) {
    for (int i = 0; i < app_count; i++)
        for (int j = 0; j < apps[i].count; j++) {
            struct object *o = &apps[i].objects[j];
            if (o->type[0] == 'l') printf("list %s %d %ld\n", o->sid, i, o->next);
        }
    printf("stats %ld %ld %ld %ld %ld\n", frames, bytes, messages, message_bytes, faults);
    fflush(stdout);
}

static void command(char *line) {
    if (sscanf(line, "connect %d %d %d", &first, &last, &at_once) == 3) {
        begun = now();
        unready = 0;
        cursor = first;
        start_connecting();
    } else if (sscanf(line, "cut %d %d", &first, &last) == 2) {
        for (int i = first; i <= last; i++) {
            if (apps[i].stage != AWAY) lose(&apps[i]);
            for (int j = 0; j < apps[i].count; j++) apps[i].objects[j].is_established = 0;
        }
        printf("cut\n");
        fflush(stdout);
    } else if (sscanf(line, "post %511s %ld %ld %ld", path, &total, &window, &micros) == 4)
        start_posting();
    else
        tell_stats();
}

static void read_apps(const char *file) {
    FILE *in = must(fopen(file, "r"));
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, in) > 0) {
        apps = must(realloc(apps, (app_count + 1) * sizeof *apps));
        struct app *a = &apps[app_count++];
        *a = (struct app){.token = must(strdup(strtok(line, " \n")))};
        for (char *word; (word = strtok(NULL, " \n"));) {
            a->objects = must(realloc(a->objects, (a->count + 1) * sizeof *a->objects));
            struct object *o = &a->objects[a->count++];
            *o = (struct object){.last = NONE};
            sscanf(word, "%8[a-z]:%34[^:]:%ld", o->type, o->sid, &o->next);
        }
    }
    fclose(in);
}

static void serve(struct epoll_event *event) {
    static char line[1024];
    void *who = event->data.ptr;
    if (!who) {
        if (!fgets(line, sizeof line, stdin)) exit(0);
        command(line);
    } else if ((struct poster *)who >= posters && (struct poster *)who < posters + POSTERS)
        take_response(who);
    else {
        struct app *a = who;
        if (a->stage == AWAY) return;
        if (a->stage == CONNECTING)
            shake(a);
        else if (event->events & EPOLLOUT && a->out_size)
            send_rest(a);
        if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(a);
    }
}

int main(int count, char **words) {
    struct rlimit files;
    struct epoll_event events[512];
    if (count != 4) return 1;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    port = atoi(words[1]);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    snprintf(authorization, sizeof authorization, "%s", words[3]);
    setvbuf(stdin, NULL, _IONBF, 0);
    epoll = epoll_create1(0);
    read_apps(words[2]);
    watch(0, EPOLL_CTL_ADD, EPOLLIN, NULL);
    for (;;) {
        int ready = epoll_wait(epoll, events, 512, window && micros ? 1 : -1);
        for (int i = 0; i < ready; i++) serve(&events[i]);
        if (window) post_what_is_due();
    }
}
