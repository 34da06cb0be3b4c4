/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "scene.h"
#include "unit.h"

/* What a person at the machine uses: display, input, sound. */

#define MEMBER "0000:00:06.0"

static Tree *tree;

static void set_up(void)
{
    tree = scene_new();
    tree_write(tree, "proc/consoles", "tty0                 -WU (EC  p  )    4:1\n");
}

static void tear_down(void)
{
    g_clear_pointer(&tree, tree_free);
}

static char *add(uint32_t class_code, const char *driver)
{
    return tree_add_device(
        tree,
        &(TreeDevice){ .name = MEMBER, .class_code = class_code, .driver = driver, .group = 7 });
}

static void add_child(const char *syspath, const char *name, const char *subsystem, const char *number)
{
    g_autofree char *path = g_strdup_printf("%s/%s", syspath, name);

    scene_add_child(tree, path, subsystem, number);
}

static void write_attribute(const char *syspath, const char *name, const char *text)
{
    g_autofree char *path = g_strdup_printf("%s/%s", syspath, name);

    tree_write(tree, path, text);
}

/* Process 812 has a node with this number open. */
static void open_node(unsigned ma, unsigned mi)
{
    tree_remove(tree, "proc/812");
    scene_add_process(tree, 812, "someone", 1, "/");
    scene_open_node(tree, 812, 3, ma, mi);
}

static void expect(const char *syspath, const char *ids)
{
    g_autoptr(GPtrArray) findings = scene_expect(tree, syspath, FINDINGS_ALL, ids);

    for (unsigned i = 0; i < findings->len; i++)
        ck_assert_int_eq(((Finding *) findings->pdata[i])->severity, FINDING_DISRUPTIVE);
}

/* A process is told to uid 0 alone. */
static void expect_process(const char *syspath, const char *id)
{
    g_autoptr(GPtrArray) findings = scene_expect(tree, syspath, FINDINGS_ALL, id);
    const Finding *finding = findings->pdata[0];

    ck_assert_int_eq(finding->severity, FINDING_DISRUPTIVE);
    ck_assert_ptr_null(strstr(finding->text, "812"));
    ck_assert_ptr_nonnull(strstr(finding->private_text, "pid 812 (someone)"));
}

/* A graphics device that is bound is never idle; unbound or in other hands it shows nothing. */
START_TEST(graphics_driver)
{
    g_autofree char *device = add(0x030000, "i915");

    add_child(device, "drm/card0", "drm", "226:0");
    add_child(device, "drm/renderD128", "drm", "226:128");
    expect(device, "display:i915@" MEMBER);
    write_attribute(device, "boot_vga", "0\n");
    expect(device, "display:i915@" MEMBER);
    write_attribute(device, "boot_vga", "1\n");
    expect(device, "display:boot_vga@" MEMBER " display:i915@" MEMBER);
    tree_bind(tree, device, NULL);
    expect(device, "");
    tree_bind(tree, device, "vfio-pci");
    expect(device, "");
}
END_TEST

START_TEST(graphics_without_devices)
{
    g_autofree char *device = add(0x030200, "nvidia");

    expect(device, "unknown:class-030200@" MEMBER);
    add_child(device, "graphics/fb0", "graphics", "29:0");
    expect(device, "display:nvidia@" MEMBER);
}
END_TEST

static const struct {
    const char *status, *enabled;
    bool in_use;
} connectors[] = {
    { "connected\n", "enabled\n", true },
    { "connected\n", "disabled\n", true },
    { "disconnected\n", "enabled\n", true },
    { "unknown\n", "disabled\n", false },
    { "disconnected\n", "disabled\n", false },
};

/* Seen alone on a display adapter that is no graphics device of the PCI bus. */
START_TEST(screens)
{
    g_autofree char *device = add(0x0c0330, "xhci_hcd");

    add_child(device, "usb1", "usb", NULL);
    add_child(device, "usb1/1-1/1-1:1.0/drm/card1", "drm", "226:1");
    add_child(device, "usb1/1-1/1-1:1.0/drm/card1/card1-DVI-I-1", "drm", NULL);
    expect(device, "");
    write_attribute(device, "usb1/1-1/1-1:1.0/drm/card1/card1-DVI-I-1/status", connectors[_i].status);
    write_attribute(device, "usb1/1-1/1-1:1.0/drm/card1/card1-DVI-I-1/enabled", connectors[_i].enabled);
    expect(device, connectors[_i].in_use ? "display:card1-DVI-I-1@" MEMBER : "");
}
END_TEST

START_TEST(graphics_in_use)
{
    g_autofree char *device = add(0x120000, "accelerator");

    add_child(device, "drm/renderD128", "drm", "226:128");
    open_node(226, 129);
    expect(device, "unknown:class-120000@" MEMBER);
    open_node(226, 128);
    {
        g_autoptr(GPtrArray) findings = scene_expect(
            tree, device, FINDINGS_ALL, "display:renderD128@" MEMBER " unknown:class-120000@" MEMBER);

        const Finding *finding = scene_find(findings, "display:renderD128@" MEMBER);

        ck_assert_ptr_nonnull(strstr(finding->private_text, "812"));
    }
}
END_TEST

static const struct {
    const char *driver, *node, *ids;
} shared_nodes[] = {
    { "nvidia", "/dev/nvidia0", "display:/dev/nvidia@" MEMBER " unknown:class-030200@" MEMBER },
    { "amdgpu", "/dev/kfd", "display:/dev/kfd@" MEMBER " unknown:class-030200@" MEMBER },
    { "i915", "/dev/kfd", "unknown:class-030200@" MEMBER },
    { "nvidia", "/dev/null", "unknown:class-030200@" MEMBER },
};

/* Nodes that no device in sysfs has. */
START_TEST(nodes_of_a_driver)
{
    g_autofree char *device = add(0x030200, shared_nodes[_i].driver);

    scene_add_process(tree, 812, "someone", 1, "/");
    scene_open(tree, 812, 3, shared_nodes[_i].node);
    expect(device, shared_nodes[_i].ids);
}
END_TEST

START_TEST(text_console)
{
    g_autofree char *device = add(0x0c0330, "xhci_hcd");

    add_child(device, "usb1", "usb", NULL);
    add_child(device, "usb1/1-1/1-1:1.0/graphics/fb1", "graphics", "29:1");
    tree_write(tree, "sys/class/vtconsole/vtcon0/name", "(S) dummy device\n");
    tree_write(tree, "sys/class/vtconsole/vtcon0/bind", "1\n");
    tree_write(tree, "sys/class/vtconsole/vtcon1/name", "(M) frame buffer device\n");
    tree_write(tree, "sys/class/vtconsole/vtcon1/bind", "0\n");
    expect(device, "");
    tree_write(tree, "sys/class/vtconsole/vtcon1/bind", "1\n");
    expect(device, "display:fb1@" MEMBER);
}
END_TEST

/* A serial card is not judged, but that the kernel writes to it is seen. */
START_TEST(kernel_console)
{
    static const char unknown[] = "unknown:class-070002@" MEMBER " unknown:tty@" MEMBER;
    static const char console[] = "display:ttyS4@" MEMBER " unknown:class-070002@" MEMBER
                                  " unknown:tty@" MEMBER;
    g_autofree char *device = add(0x070002, "serial");

    add_child(device, "tty/ttyS4", "tty", "4:68");
    expect(device, unknown);
    tree_write(tree, "proc/consoles", "ttyS40   -W- (EC p a)    4:104\n\nttyS4");
    expect(device, console);
    tree_write(tree, "proc/consoles", "ttyS40   -W- (EC p a)    4:104\n");
    expect(device, unknown);
    tree_write(tree, "sys/class/tty/console/active", "tty0 ttyS4\n");
    expect(device, console);
    tree_write(tree, "sys/class/tty/console/active", "tty0 ttyS44\n");
    expect(device, unknown);
}
END_TEST

static const struct {
    const char *keys;
    bool in_use;
} key_maps[] = {
    { "1000000000007 ff800000000007ff febeffdff3cfffff fffffffffffffffe\n", true }, /* keyboard */
    { "70000 0 0 0 0\n", true },                                                  /* mouse: BTN_LEFT, ... */
    { "e520 10000 0 0 0 0\n", true },                                             /* touch pad */
    { "10000000000000 0\n", false },                                              /* power button: 116 */
    { "3f000300000000 0 0 0\n", false },                                          /* brightness: 224, ... */
    { "0\n", false },                                                             /* a lid */
    { "2\n", true },                                                              /* KEY_ESC alone */
    { "not a map\n", true },
    { "\n", true },
    { "123456789012345678901\n", true },
};

START_TEST(keys)
{
    g_autofree char *device = add(0x0c0330, "xhci_hcd");
    g_autofree char *input = g_strconcat(device, "/usb1/input/input3", NULL);

    add_child(device, "usb1", "usb", NULL);
    expect(device, "");
    add_child(device, "usb1/input/input3", "input", NULL);
    write_attribute(input, "capabilities/key", key_maps[_i].keys);
    expect(device, key_maps[_i].in_use ? "input:input3@" MEMBER : "");
    write_attribute(input, "name", "Someone's Keys\n");
    expect(device, key_maps[_i].in_use ? "input:Someone\\x27s\\x20Keys@" MEMBER : "");
}
END_TEST

/* What a program reads counts, even if no hand is on it. */
START_TEST(input_nodes)
{
    g_autofree char *device = add(0x0c0330, "xhci_hcd");
    g_autofree char *input = g_strconcat(device, "/usb1/input/input3", NULL);

    add_child(device, "usb1", "usb", NULL);
    add_child(device, "usb1/input/input3", "input", NULL);
    add_child(device, "usb1/input/input3/event3", "input", "13:67");
    write_attribute(input, "capabilities/key", "0\n");
    open_node(13, 68);
    expect(device, "");
    open_node(13, 67);
    expect_process(device, "input:event3@" MEMBER);
    write_attribute(input, "capabilities/key", "2\n");
    expect(device, "input:input3@" MEMBER);
}
END_TEST

START_TEST(unread_keys)
{
    g_autofree char *device = add(0x0c0330, "xhci_hcd");
    g_autoptr(GPtrArray) findings = NULL;
    char *members[] = { device, NULL };

    add_child(device, "usb1", "usb", NULL);
    add_child(device, "usb1/input/input3", "input", NULL);
    ck_assert_int_eq(findings_collect(tree->fd, members, FINDINGS_ALL, &findings), 0);
    ck_assert_uint_eq(findings->len, 1);
    ck_assert_int_eq(((Finding *) findings->pdata[0])->severity, FINDING_FATAL);
}
END_TEST

START_TEST(sound)
{
    g_autofree char *device = add(0x040300, "snd_hda_intel");

    expect(device, "unknown:class-040300@" MEMBER);
    add_child(device, "sound/card0", "sound", NULL);
    add_child(device, "sound/card0/controlC0", "sound", "116:0");
    add_child(device, "sound/card0/pcmC0D0p", "sound", "116:16");
    add_child(device, "hdaudioC0D0", "hdaudio", NULL);
    expect(device, "");
    open_node(116, 48);
    expect(device, "");
    open_node(116, 16);
    expect_process(device, "sound:pcmC0D0p@" MEMBER);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, graphics_driver);
    tcase_add_test(tests, graphics_without_devices);
    tcase_add_loop_test(tests, screens, 0, G_N_ELEMENTS(connectors));
    tcase_add_test(tests, graphics_in_use);
    tcase_add_loop_test(tests, nodes_of_a_driver, 0, G_N_ELEMENTS(shared_nodes));
    tcase_add_test(tests, text_console);
    tcase_add_test(tests, kernel_console);
    tcase_add_loop_test(tests, keys, 0, G_N_ELEMENTS(key_maps));
    tcase_add_test(tests, input_nodes);
    tcase_add_test(tests, unread_keys);
    tcase_add_test(tests, sound);
    return unit_run("findings-seat", tests);
}
