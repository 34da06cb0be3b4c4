/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "decimal.h"
#include "unit.h"

START_TEST(writes_as_printf_does)
{
    static const uint64_t numbers[] = { 0,   1,    9,    10,        11,         99,       100,
                                        101, 4096, 9999, UINT32_MAX, INT64_MAX, UINT64_MAX };
    char ours[DECIMAL_SIZE], wanted[DECIMAL_SIZE];

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const char *end;

        memset(ours, 'x', sizeof(ours));
        end = decimal_write(ours, numbers[i]);
        snprintf(wanted, sizeof(wanted), "%" PRIu64, numbers[i]);
        ck_assert_str_eq(ours, wanted);
        ck_assert_ptr_eq(end, ours + strlen(wanted));
    }
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("decimal");

    tcase_add_test(cases, writes_as_printf_does);
    return unit_run("decimal", cases);
}
