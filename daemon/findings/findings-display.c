/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "evidence.h"
#include "sysfs.h"

/*
 * What somebody looks at: screens, graphics that a process draws with, the kernel's console. A bound
 * graphics device (PCI class 03) is never taken for idle: its drivers are known to hang or to fail when they
 * are unbound, whoever uses them.
 */

#define CLASS_DISPLAY 0x03

/* Nodes that a driver makes outside of the device's own directory, by the start of their names. They do not
 * tell which of its devices they are for. */
static const struct {
    const char *driver, *node;
} shared_nodes[] = {
    { "nvidia", "/dev/nvidia" },
    { "amdgpu", "/dev/kfd" },
};

static void add_boot_display(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    g_autofree char *path = g_strdup_printf("%s/boot_vga", member->syspath), *text = NULL;
    int r;

    r = sysfs_read(evidence->root_fd, path, &text);
    if (r >= 0 && strcmp(text, "1") == 0)
        findings_add(findings, FINDING_DISPLAY, FINDING_DISRUPTIVE, member->name, "boot_vga", member->name,
                     "%s is the display that the firmware started with; allow that it goes dark",
                     member->name);
    else if (r < 0 && r != -ENOENT) {
        g_autofree char *source = g_strdup_printf("/%s: %s", path, g_strerror(-r));

        findings_add_unread(findings, member->name, source);
    }
}

static void add_driver(const Member *member, GPtrArray *findings)
{
    findings_add(findings, FINDING_DISPLAY, FINDING_DISRUPTIVE, member->name, member->device->driver,
                 member->name,
                 "graphics drivers such as %s are known to hang when they are unbound; allow that, or set "
                 "the boot default instead",
                 member->device->driver);
}

static bool attribute_is(int root_fd, const Descendant *descendant, const char *attribute, const char *value)
{
    g_autofree char *path = g_strdup_printf("%s/%s", descendant->path, attribute), *text = NULL;
    int r = sysfs_read(root_fd, path, &text);

    return r < 0 ? r != -ENOENT : strcmp(text, value) == 0;
}

/* Both attributes are what the kernel knows already (drivers/gpu/drm/drm_sysfs.c): reading does not ask the
 * screen. Only connectors have them; one that cannot be read counts as in use. */
static void judge_connector(const Evidence *evidence, const Member *member, const Descendant *connector,
                            GPtrArray *findings)
{
    if (attribute_is(evidence->root_fd, connector, "enabled", "enabled"))
        findings_add(findings, FINDING_DISPLAY, FINDING_DISRUPTIVE, member->name, connector->name,
                     member->name,
                     "%s shows a picture; end the graphical session, or allow that it goes dark",
                     connector->name);
    else if (attribute_is(evidence->root_fd, connector, "status", "connected"))
        findings_add(findings, FINDING_DISPLAY, FINDING_DISRUPTIVE, member->name, connector->name,
                     member->name, "a screen is connected to %s; unplug it, or allow that it goes dark",
                     connector->name);
}

/* The text console on frame buffers (drivers/tty/vt/vt.c: class vtconsole); which of them it draws on,
 * nothing in sysfs tells. */
static void judge_frame_buffer(const Evidence *evidence, const Member *member, const Descendant *buffer,
                               GPtrArray *findings)
{
    g_auto(GStrv) names = NULL;

    if (sysfs_list(evidence->root_fd, "sys/class/vtconsole", &names) < 0)
        return;
    for (char **name = names; *name; name++) {
        g_autofree char *bind_path = g_strdup_printf("sys/class/vtconsole/%s/bind", *name), *bind = NULL;
        g_autofree char *name_path = g_strdup_printf("sys/class/vtconsole/%s/name", *name), *text = NULL;

        if (sysfs_read(evidence->root_fd, bind_path, &bind) < 0 || strcmp(bind, "1") != 0 ||
            sysfs_read(evidence->root_fd, name_path, &text) < 0 || !strstr(text, "frame buffer"))
            continue;
        findings_add(findings, FINDING_DISPLAY, FINDING_DISRUPTIVE, member->name, buffer->name, member->name,
                     "the text console may be on %s; write 0 to /%s, or allow that it goes away",
                     buffer->name, bind_path);
    }
}

static bool is_display_node(const Descendant *descendant)
{
    return descendant_is(descendant, "drm") || descendant_is(descendant, "graphics");
}

static void judge_descendant(const Evidence *evidence, const Member *member, const Descendant *descendant,
                             GPtrArray *findings)
{
    findings_add_node_users(evidence, member, descendant, FINDING_DISPLAY, FINDING_DISRUPTIVE,
                            "draws or computes with", findings);
    if (descendant_is(descendant, "drm"))
        judge_connector(evidence, member, descendant, findings);
    else
        judge_frame_buffer(evidence, member, descendant, findings);
}

static void judge_shared_nodes(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    const char *driver = member->device->driver;

    for (size_t i = 0; i < G_N_ELEMENTS(shared_nodes); i++) {
        g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
        Finding *finding;

        if (strcmp(driver, shared_nodes[i].driver) != 0)
            continue;
        for (unsigned j = 0; evidence->files && j < evidence->files->files->len; j++) {
            const OpenFile *file = g_ptr_array_index(evidence->files->files, j);

            if (file->link && g_str_has_prefix(file->link, shared_nodes[i].node))
                process_list_add(pids, file->pid);
        }
        if (pids->len == 0)
            continue;
        finding = findings_add(findings, FINDING_DISPLAY, FINDING_DISRUPTIVE, member->name,
                               shared_nodes[i].node, member->name,
                               "a process computes with a device of the driver %s, perhaps %s; stop it "
                               "first",
                               driver, member->name);
        finding_name_processes(finding, evidence->root_fd, pids);
    }
}

static bool has_word(const char *text, const char *word)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t\n", -1);

    return g_strv_contains((const char *const *) words, word);
}

/* /proc/consoles: one console in a line, its name first (fs/proc/consoles.c). */
static bool is_console(const char *consoles, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(consoles, "\n", -1);

    for (char **line = lines; *line; line++) {
        size_t n = strcspn(*line, " \t");

        if (n == strlen(name) && strncmp(*line, name, n) == 0)
            return true;
    }
    return false;
}

/* The kernel writes to it; a serial card, say. */
static void judge_terminal(const Evidence *evidence, const Member *member, const Descendant *terminal,
                           GPtrArray *findings)
{
    g_autofree char *consoles = NULL, *active = NULL;
    int r = sysfs_read(evidence->root_fd, "proc/consoles", &consoles);
    int q = sysfs_read(evidence->root_fd, "sys/class/tty/console/active", &active);

    if (r < 0 && q < 0) {
        g_autofree char *source = g_strdup_printf("/proc/consoles: %s", g_strerror(-r));

        findings_add_unread(findings, member->name, source);
        return;
    }
    if (is_console(consoles ?: "", terminal->name) || has_word(active ?: "", terminal->name))
        findings_add(findings, FINDING_DISPLAY, FINDING_DISRUPTIVE, member->name, terminal->name,
                     member->name, "%s is a console of the kernel; allow that it falls silent",
                     terminal->name);
}

void findings_judge_display(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    uint32_t class_code = member->device->facts->class_code;
    bool has_display = false;

    if (!member->device->driver || member_is_for_user_space(member))
        return;
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (is_display_node(descendant))
            judge_descendant(evidence, member, descendant, findings);
        else if (descendant_is(descendant, "tty"))
            judge_terminal(evidence, member, descendant, findings);
        has_display |= is_display_node(descendant);
    }
    judge_shared_nodes(evidence, member, findings);
    if (class_code == FACT_NO_ID || class_code >> 16 != CLASS_DISPLAY)
        return;
    add_boot_display(evidence, member, findings);
    if (has_display)
        add_driver(member, findings);
}
