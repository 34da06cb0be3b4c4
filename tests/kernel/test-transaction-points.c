/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The change is killed at every operation it makes on /sys and /run, before and after the kernel has done
 * it, and every operation is failed with each of a list of errors. After each, a fresh process recovers:
 * every driver link and driver_override is as it was, the type is the old or the new one, no record is left,
 * and another recovery writes nothing. Which operations there are is counted by the fake kernel.
 *
 * test-transaction-points GROUP kill|ERROR[,ERROR...]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "change-scene.h"
#include "unit.h"

#define PATHS "path='[sr][yu][sn]/*'"

enum {
    CHILD_DONE,
    CHILD_REFUSED,
    CHILD_BROKEN,
    CHILD_FATAL,
};

typedef struct Group {
    const char *name, *topology, *generation;
    const char *const *devices;
    const char *refused; /* a device whose first bind fails, so that the change is undone; or NULL */
} Group;

static const char *const one[] = { "0000:00:06.0", NULL };
static const char *const two[] = { "0000:03:00.0", "0000:03:00.1", NULL };
static const char *const four[] = { "0000:03:00.0", "0000:03:00.1", "0000:03:00.2", "0000:03:00.3", NULL };
static const char *const bridge[] = { "0000:00:05.0", "0000:01:00.0", NULL };

static const Group groups[] = {
    { "one", "one", "6.12", one },
    { "one-older", "one", "6.1", one },
    { "two", "two", "6.12", two },
    { "four", "four", "6.12", four },
    { "bridge", "bridge", "6.12", bridge },
    { "undone-one", "one", "6.12", one, "0000:00:06.0" },
    { "undone-two", "two", "6.12", two, "0000:03:00.1" },
};
static const Group *group;
static char **errors; /* NULL: kill */

typedef struct Attempt {
    const Scene *scene;
    const ChangeRequest *request;
} Attempt;

static int run_change(void *data)
{
    const Attempt *attempt = data;
    g_autoptr(ChangeResult) result = NULL;

    if (transaction_run(attempt->scene->root_fd, attempt->request, NULL, NULL, &result) < 0)
        return CHILD_FATAL;
    if (result->broken)
        return CHILD_BROKEN;
    return result->code == REFUSAL_NONE ? CHILD_DONE : CHILD_REFUSED;
}

static int run_recovery(void *data)
{
    (void) scene_recover(((const Attempt *) data)->scene);
    return 0;
}

/* In a fresh process, whose operations no rule is for and nobody counts. */
static void recover(const Attempt *attempt)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(run_recovery((void *) attempt));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

/* The first bind of the change fails; if it was killed before that, the first bind of the recovery. */
static void spoil_bind(const Attempt *attempt)
{
    if (group->refused)
        fixture_command(attempt->scene->fixture, "probe %s ENODEV count=1", group->refused);
}

static void check_recovered(const Attempt *attempt, const char *point)
{
    const Scene *scene = attempt->scene;
    DomainType type;

    recover(attempt);
    type = scene_type(scene);
    ck_assert_msg(scene_is_bound(scene), "%s: a driver is not as recorded", point);
    ck_assert_msg(type == scene->type || type == attempt->request->type, "%s: the type is another one",
                  point);
    ck_assert_msg(scene_records(scene) == 0, "%s: a record is left", point);

    fixture_command(scene->fixture, "log-clear");
    ck_assert_int_eq(fixture_run(scene->fixture, run_recovery, (void *) attempt), 0);
    ck_assert_msg(
        control_count(fixture_control(scene->fixture), "op=write,create,rename,unlink,truncate " PATHS) == 0,
        "%s: a second recovery writes", point);
    if (group->refused)
        fixture_command(scene->fixture, "probe %s ok", group->refused);
    scene_reset(scene);
}

/* Runs the change with RULE for its N-th operation. Returns what the child exited with, or -1 if it was
 * killed. */
static int run_point(const Attempt *attempt, unsigned n, const char *rule)
{
    Fixture *fixture = attempt->scene->fixture;
    int status;

    spoil_bind(attempt);
    fixture_command(fixture, "log-clear");
    fixture_command(fixture, "rule point " PATHS " nth=%u %s", n, rule);
    status = fixture_run(fixture, run_change, (void *) attempt);
    fixture_command(fixture, "rule-remove point");
    fixture_command(fixture, "watch none");
    ck_assert_int_ge(status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static unsigned try_kills(const Attempt *attempt, unsigned n_operations)
{
    static const char *const rules[] = { "when=before kill", "when=after kill" };
    unsigned tried = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
        for (unsigned n = 1; n <= n_operations; n++, tried++) {
            g_autofree char *point = g_strdup_printf("%s, operation %u, %s", group->name, n, rules[i]);

            ck_assert_msg(run_point(attempt, n, rules[i]) == -1, "%s: it was not killed", point);
            check_recovered(attempt, point);
        }
    return tried;
}

static unsigned try_errors(const Attempt *attempt, unsigned n_operations, unsigned *n_outcomes)
{
    unsigned tried = 0;

    for (size_t i = 0; errors[i]; i++)
        for (unsigned n = 1; n <= n_operations; n++, tried++) {
            g_autofree char *rule = g_strdup_printf("fail %s", errors[i]);
            g_autofree char *point = g_strdup_printf("%s, operation %u, %s", group->name, n, errors[i]);
            int outcome = run_point(attempt, n, rule);

            ck_assert_msg(outcome >= 0 && outcome < CHILD_FATAL, "%s: the child ended with %d", point,
                          outcome);
            n_outcomes[outcome]++;
            ck_assert_msg(outcome == CHILD_BROKEN || scene_is_bound(attempt->scene),
                          "%s: a driver is missing, and it was not said", point);
            check_recovered(attempt, point);
        }
    return tried;
}

START_TEST(every_point)
{
    g_autoptr(Scene) scene = scene_new(group->topology, group->generation, group->devices);
    ChangeRequest *request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    Attempt attempt = { .scene = scene, .request = request };
    unsigned tried, outcomes[CHILD_FATAL] = { 0 };
    int status, n;

    ck_assert_int_eq(request->how, CHANGE_DISRUPTIVE);
    spoil_bind(&attempt);
    status = fixture_run(scene->fixture, run_change, &attempt);
    ck_assert_int_ge(status, 0);
    ck_assert_int_eq(WEXITSTATUS(status), group->refused ? CHILD_REFUSED : CHILD_DONE);
    n = control_count(fixture_control(scene->fixture), PATHS);
    ck_assert_int_gt(n, 0);
    check_recovered(&attempt, "no fault");

    if (!errors) {
        tried = try_kills(&attempt, (unsigned) n);
        printf("%s, killed: %d operations, %u points tried\n", group->name, n, tried);
    } else {
        tried = try_errors(&attempt, (unsigned) n, outcomes);
        printf("%s, failed: %d operations, %u points tried (%u done, %u refused or undone, %u left to "
               "recovery)\n",
               group->name, n, tried, outcomes[CHILD_DONE], outcomes[CHILD_REFUSED],
               outcomes[CHILD_BROKEN]);
    }
    change_request_free(request);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tcase = tcase_create("points");
    int status;

    for (size_t i = 0; argc == 3 && i < G_N_ELEMENTS(groups); i++)
        if (g_str_equal(groups[i].name, argv[1]))
            group = &groups[i];
    if (!group) {
        fprintf(stderr, "usage: %s GROUP kill|ERROR[,ERROR...]\n", argv[0]);
        return EXIT_FAILURE;
    }
    errors = g_str_equal(argv[2], "kill") ? NULL : g_strsplit(argv[2], ",", -1);
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, every_point);
    status = unit_run("change points", tcase);
    g_strfreev(errors);
    return status;
}
