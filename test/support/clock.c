/* A system clock that jumps for one process: LD_PRELOAD this, and CLOCK_OFFSET names a file that
 * holds the jump, seconds as a 64-bit integer. Waits until a time of day follow it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset;

__attribute__((constructor)) static void open_offset(void) {
  const char *name = getenv("CLOCK_OFFSET");
  int file = name ? open(name, O_RDONLY) : -1;
  if (file < 0) return;
  void *page = mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) offset = page;
}

static long long jump(void) { return offset ? *offset : 0; }

int clock_gettime(clockid_t id, struct timespec *now) {
  int result = (int)syscall(SYS_clock_gettime, id, now);
  if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += jump();
  return result;
}

int gettimeofday(struct timeval *now, void *zone) {
  (void)zone;
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}

/* Waits until a time of day are cut into short ones, so that a jump shortens or stretches them, as
 * in the kernel. Steady clocks count from the start of the machine: a large number is a time of
 * day. */
static int is_time_of_day(const struct timespec *until) { return until->tv_sec > 1000000000; }

static int passed(const struct timespec *until) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec > until->tv_sec ||
         (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec);
}

static struct timespec soon(void) {
  struct timespec then;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &then);
  then.tv_nsec += 50000000;
  if (then.tv_nsec >= 1000000000) {
    then.tv_sec += 1;
    then.tv_nsec -= 1000000000;
  }
  return then;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                           const struct timespec *until) {
  static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  if (!real) real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  if (!real) real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  if (!is_time_of_day(until)) return real(cond, mutex, until);
  for (;;) {
    struct timespec then = soon();
    int result = real(cond, mutex, &then);
    if (result != ETIMEDOUT) return result;
    if (passed(until)) return ETIMEDOUT;
  }
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
  static int (*real)(sem_t *, const struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "sem_timedwait");
  if (!is_time_of_day(until)) return real(semaphore, until);
  for (;;) {
    struct timespec then = soon();
    int result = real(semaphore, &then);
    if (result == 0 || errno != ETIMEDOUT) return result;
    if (passed(until)) {
      errno = ETIMEDOUT;
      return -1;
    }
  }
}
