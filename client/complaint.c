/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "complaint.h"

#include <stdarg.h>
#include <stdio.h>

#include "json.h"
#include "terminal.h"

typedef struct Complaint {
    ComplaintKind kind;
    char *text, *advice;
} Complaint;

static const struct {
    const char *word, *why;
    bool note;
} kinds[_COMPLAINT_KIND_MAX] = {
    [COMPLAINT_IOMMU_OFF] = {
        "iommu-off",
        "Without an IOMMU every device can read and write all memory, and rules have nothing to act "
        "on.",
    },
    [COMPLAINT_IOMMU_NOT_OFFERED] = {
        "iommu-not-offered",
        "The kernel finds the IOMMU in tables of the firmware; where there are none, there is no "
        "group.",
    },
    [COMPLAINT_IOMMU_NOT_USED] = {
        "iommu-not-used",
        "The hardware could protect this machine's memory from its devices, and does not.",
    },
    [COMPLAINT_WORD_IGNORED] = {
        "word-ignored",
        "The kernel passes over what it does not know: nothing of this has any effect.",
    },
    [COMPLAINT_PASSTHROUGH_DEFAULT] = {
        "passthrough-default",
        "Devices for which no rule says otherwise can read and write all memory, also those plugged "
        "in later.",
    },
    [COMPLAINT_PASSTHROUGH_OVERRULED] = {
        "passthrough-overruled",
        "No group is in identity now; one that appears without a rule will be.", true,
    },
    [COMPLAINT_EXTERNAL_IDENTITY] = {
        "external-identity",
        "Anyone who can reach the port can plug in a device that reads and writes all memory.",
    },
    [COMPLAINT_DISABLED] = {"disabled", "No rule and no call is applied on this boot."},
    [COMPLAINT_RULE_REFUSED] = {
        "rule-refused",
        "A refused file is not in force, and while there is one no rule relaxes or unbinds.",
    },
    [COMPLAINT_NAME_ABSENT] = {
        "name-absent",
        "The rule protects or speeds up nothing here: the device has moved, is gone, or is another "
        "one now.",
    },
    [COMPLAINT_ID_ABSENT] = {
        "id-absent",
        "That is as it should be in a file for many machines; in one for this machine it does "
        "nothing.", true,
    },
    [COMPLAINT_NO_DAEMON] = {
        "no-daemon",
        "Devices that appear get the kernel's type, and nothing watches the types that are set.",
    },
    [COMPLAINT_NOT_ENABLED] = {"not-enabled", "After the next boot no rule will be applied."},
    [COMPLAINT_MISSING_CAPABILITY] = {
        "missing-capability",
        "The kernel asks for CAP_SYS_ADMIN and CAP_SYS_RAWIO when a type is written; without the "
        "others uses of a device go unseen.",
    },
    [COMPLAINT_READ_ONLY] = {
        "read-only",
        "What the daemon has to write there fails, and so does each change.",
    },
    [COMPLAINT_FROZEN] = {"frozen", "Nothing is relaxed or unbound until every rule file is sound."},
    [COMPLAINT_RULES_CHANGED] = {"rules-changed", "What the files say is not what is in force."},
    [COMPLAINT_INITRAMFS_STALE] = {
        "initramfs-stale",
        "The next boot begins with the old rules, and the root disk's driver binds by them.",
    },
    [COMPLAINT_GROUP_STATE] = {"group-state", "The last change of the group has not ended as it should."},
    [COMPLAINT_CONFLICT] = {
        "conflict",
        "The strictest wish wins; the other rule does not do what it says.",
    },
    [COMPLAINT_FORBIDDEN_TYPE] = {"forbidden-type", "A rule forbids the type that the group has."},
    [COMPLAINT_UNTRANSLATED] = {
        "untranslated",
        "No IOMMU stands between such a device and the memory, whatever the rules say.",
    },
    [COMPLAINT_NEXT_BOOT] = {"next-boot", "It cannot be done while its drivers are bound.", true},
    [COMPLAINT_PENDING] = {"pending", "It has another type than the rules want.", true},
};

const char *complaint_word(ComplaintKind kind)
{
    return kinds[kind].word;
}

const char *complaint_why(ComplaintKind kind)
{
    return kinds[kind].why;
}

bool complaint_is_note(ComplaintKind kind)
{
    return kinds[kind].note;
}

static void complaint_free(void *p)
{
    Complaint *complaint = p;

    g_free(complaint->text);
    g_free(complaint->advice);
    g_free(complaint);
}

GPtrArray *complaints_new(void)
{
    return g_ptr_array_new_with_free_func(complaint_free);
}

void complain(GPtrArray *complaints, ComplaintKind kind, const char *advice, const char *format, ...)
{
    Complaint *complaint = g_new(Complaint, 1);
    va_list arguments;

    complaint->kind = kind;
    complaint->advice = g_strdup(advice);
    va_start(arguments, format);
    complaint->text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_ptr_array_add(complaints, complaint);
}

static unsigned count(const GPtrArray *complaints, bool notes)
{
    unsigned n = 0;

    for (guint i = 0; i < complaints->len; i++)
        n += kinds[((const Complaint *) complaints->pdata[i])->kind].note == notes;
    return n;
}

static void print_one(const Complaint *complaint)
{
    bool note = kinds[complaint->kind].note;
    g_autofree char *text = printable(complaint->text), *advice = printable(complaint->advice);

    printf("%s%s%s: %s\n", colour_begin(note ? COLOUR_WAITING : COLOUR_BAD), note ? "note" : "problem",
           colour_end(), text);
    printf("  why: %s\n  do:  %s\n\n", kinds[complaint->kind].why, advice);
}

static void print_sum(const GPtrArray *complaints)
{
    unsigned problems = count(complaints, false), notes = count(complaints, true);

    if (problems == 0)
        printf("%sNothing is wrong%s", colour_begin(COLOUR_GOOD), colour_end());
    else
        printf("%u problem%s", problems, problems == 1 ? "" : "s");
    if (notes > 0)
        printf(", %u note%s", notes, notes == 1 ? "" : "s");
    puts(".");
}

static void print_json(const GPtrArray *complaints)
{
    JsonObject *answer = json_object_new();
    JsonArray *list = json_array_new();

    for (guint i = 0; i < complaints->len; i++) {
        const Complaint *complaint = complaints->pdata[i];
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "id", kinds[complaint->kind].word);
        json_object_set_string_member(object, "severity", kinds[complaint->kind].note ? "note" : "problem");
        json_object_set_string_member(object, "text", complaint->text);
        json_object_set_string_member(object, "why", kinds[complaint->kind].why);
        json_object_set_string_member(object, "advice", complaint->advice);
        json_array_add_object_element(list, object);
    }
    json_object_set_array_member(answer, "complaints", list);
    json_print_object(answer, false);
}

void complaints_print(const GPtrArray *complaints, bool json)
{
    if (json) {
        print_json(complaints);
        return;
    }
    for (guint i = 0; i < complaints->len; i++)
        print_one(complaints->pdata[i]);
    print_sum(complaints);
}

ExitCode complaints_exit_code(const GPtrArray *complaints)
{
    return count(complaints, false) > 0 ? EXIT_CODE_FAILED : EXIT_CODE_DONE;
}

char *complaints_words(const GPtrArray *complaints)
{
    GString *words = g_string_new(NULL);

    for (guint i = 0; i < complaints->len; i++)
        g_string_append_printf(words, "%s%s", i > 0 ? " " : "",
                               kinds[((const Complaint *) complaints->pdata[i])->kind].word);
    return g_string_free(words, FALSE);
}
