/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decimal.h"

char *decimal_write(char *to, uint64_t number)
{
    char *end = to + 1, *digit;

    for (uint64_t rest = number; rest >= 10; rest /= 10)
        end++;
    *end = '\0';
    digit = end;
    do
        *--digit = (char) ('0' + number % 10);
    while ((number /= 10) > 0);
    return end;
}
