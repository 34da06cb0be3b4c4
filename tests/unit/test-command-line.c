/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command-line.h"
#include "unit.h"

#define YES TRISTATE_YES
#define NO TRISTATE_NO
#define NONE TRISTATE_UNKNOWN

static const struct {
    const char *words, *architecture;
    Tristate passthrough, strict;
} lines[] = {
    { "quiet splash", "x86-64", NONE, NONE },
    { "iommu=pt", "x86-64", YES, NONE },
    { "iommu=pt", "arm64", NONE, NONE },
    { "iommu=soft,pt", "x86-64", YES, NONE },
    { "iommu=pt iommu=nopt", "x86-64", NO, NONE },
    { "iommu=passthrough", "x86-64", NONE, NONE },
    { "iommu.passthrough=on", "x86-64", YES, NONE },
    { "iommu.passthrough=Off", "arm64", NO, NONE },
    { "iommu.passthrough=o", "x86-64", NONE, NONE },
    { "iommu.passthrough=1 iommu.passthrough=enable", "x86-64", YES, NONE },
    { "iommu.passthrough", "x86-64", NONE, NONE },
    { "iommu-passthrough=1", "x86-64", NONE, NONE },
    { "iommu.strict=true iommu.strict=n", "x86-64", NONE, NO },
    { "intel_iommu=on,strict iommu.strict=0", "x86-64", NONE, YES },
    { "intel-iommu=strict", "x86-64", NONE, YES },
    { "amd_iommu=fullflush", "x86-64", NONE, YES },
    { "amd_iommu=strict", "x86-64", NONE, NONE },
    { "quiet -- iommu=pt", "x86-64", NONE, NONE },
};

START_TEST(what_the_words_ask_for)
{
    g_auto(GStrv) words = g_strsplit(lines[_i].words, " ", -1);
    CommandLine line;

    command_line_read(words, lines[_i].architecture, &line);
    ck_assert_int_eq(line.passthrough, lines[_i].passthrough);
    ck_assert_int_eq(line.strict, lines[_i].strict);
}
END_TEST

START_TEST(the_word_that_did_it)
{
    g_auto(GStrv) words = g_strsplit("iommu=off intel_iommu=on amd_iommu=off iommu.passthrough=y", " ", -1);
    g_auto(GStrv) off = g_strsplit("intel_iommu=on intel_iommu=off,sm_on", " ", -1);
    CommandLine line;

    command_line_read(words, "x86-64", &line);
    ck_assert_str_eq(line.off_word, "iommu=off");
    ck_assert_str_eq(line.intel_on_word, "intel_iommu=on");
    ck_assert_ptr_null(line.intel_off_word);
    ck_assert_str_eq(line.amd_off_word, "amd_iommu=off");
    ck_assert_str_eq(line.passthrough_word, "iommu.passthrough=y");

    command_line_read(off, "x86-64", &line);
    ck_assert_ptr_null(line.intel_on_word);
    ck_assert_str_eq(line.intel_off_word, "intel_iommu=off,sm_on");

    command_line_read(words, "arm64", &line);
    ck_assert_ptr_null(line.off_word);
    ck_assert_ptr_null(line.amd_off_word);
}
END_TEST

/* FAULT: what the sentence says, NULL for nothing wrong; RIGHT: what to write, NULL for nothing. */
static const struct {
    const char *word, *architecture, *fault, *right;
} words[] = {
    { "quiet", "x86-64", NULL, NULL },
    { "root=/dev/mapper/iommu-pt", "x86-64", NULL, NULL },
    { "vfio_iommu_type1.allow_unsafe_interrupts=1", "x86-64", NULL, NULL },
    { "iommu_policy=off", "x86-64", NULL, NULL },
    { "amd_iommu_dump", "x86-64", NULL, NULL },
    { "iommu=pt", "x86-64", NULL, NULL },
    { "iommu=pt,", "x86-64", NULL, NULL },
    { "iommu=noagp,64", "x86-64", NULL, NULL },
    { "iommu=pt", "arm64", "do not read iommu=", "iommu.passthrough=1" },
    { "iommu=nopt", "riscv64", "do not read iommu=", "iommu.passthrough=0" },
    { "iommu=on", "arm64", "do not read iommu=", NULL },
    { "iommu=nobypass", "ppc64-le", NULL, NULL },
    { "iommu=passthrough", "x86-64", "no option \"passthrough\"", "iommu=pt" },
    { "iommu=soft,passthru", "x86-64", "no option \"passthru\"", "iommu=pt" },
    { "iommu=on", "x86-64", "by itself", NULL },
    { "iommu=1", "x86-64", NULL, NULL }, /* a size of the GART */
    { "iommu=strict", "x86-64", "no option \"strict\"", "iommu.strict=1" },
    { "iommu=lazy", "x86-64", "no option \"lazy\"", "iommu.strict=0" },
    { "iommu=whatever", "x86-64", "no option \"whatever\"", NULL },
    { "intel_iommu=on", "x86-64", NULL, NULL },
    { "intel_iommu=on,sm_on", "x86-64", NULL, NULL },
    { "intel-iommu=on", "x86-64", NULL, NULL },
    { "intel_iommu=pt", "x86-64", "intel_iommu= has no option \"pt\"", "iommu=pt" },
    { "intel_iommu=on,pt", "x86-64", "no option \"pt\"", "iommu=pt" },
    { "intel_iommu=1", "x86-64", "no option \"1\"", "intel_iommu=on" },
    { "intel_iommu=yes", "x86-64", "no option \"yes\"", "intel_iommu=on" },
    { "intel_iommu=0", "x86-64", "no option \"0\"", "intel_iommu=off" },
    { "intel_iommu=lazy", "x86-64", "no option \"lazy\"", "iommu.strict=0" },
    { "intel_iommu=pt", "arm64", NULL, NULL },
    { "amd_iommu=pt", "x86-64", "amd_iommu= has no option \"pt\"", "iommu=pt" },
    { "amd_iommu=on", "x86-64", "by itself", NULL },
    { "amd_iommu=no", "x86-64", "no option \"no\"", "amd_iommu=off" },
    { "amd_iommu=strict", "x86-64", "no option \"strict\"", "iommu.strict=1" },
    { "amd_iommu=force_isolation,pgtbl_v2", "x86-64", NULL, NULL },
    { "iommu.passthrough=on", "x86-64", NULL, NULL },
    { "iommu.passthrough=enable", "x86-64", "takes 1 or 0", "iommu.passthrough=1" },
    { "iommu.passthrough", "x86-64", "takes 1 or 0", "iommu.passthrough=1" },
    { "iommu.strict=lazy", "arm64", "takes 1 or 0", "iommu.strict=1" },
    { "iommu.passthru=1", "x86-64", "no parameter of this name", "iommu.passthrough=1" },
    { "iommu_passthrough=1", "x86-64", "no parameter of this name", "iommu.passthrough=1" },
    { "iommu-passthrough=1", "x86-64", "no parameter of this name", "iommu.passthrough=1" },
    { "IOMMU=pt", "x86-64", "small letters: iommu", NULL },
    { "Intel_IOMMU=on", "x86-64", "small letters: intel_iommu", NULL },
};

START_TEST(what_the_kernel_passes_over)
{
    const char *right = "untouched";
    g_autofree char *fault = command_line_fault(words[_i].word, words[_i].architecture, &right);

    if (!words[_i].fault) {
        ck_assert_msg(!fault, "%s: %s", words[_i].word, fault);
        return;
    }
    ck_assert_msg(fault && strstr(fault, words[_i].fault), "%s: %s", words[_i].word, fault);
    ck_assert_pstr_eq(right, words[_i].right);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("command-line");

    tcase_add_loop_test(cases, what_the_words_ask_for, 0, G_N_ELEMENTS(lines));
    tcase_add_test(cases, the_word_that_did_it);
    tcase_add_loop_test(cases, what_the_kernel_passes_over, 0, G_N_ELEMENTS(words));
    return unit_run("command-line", cases);
}
