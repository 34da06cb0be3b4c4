/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-type.h"

#include <glib.h>

static const char *const type_words[_DOMAIN_TYPE_MAX] = {
    [DOMAIN_TYPE_DMA] = "DMA",
    [DOMAIN_TYPE_DMA_FQ] = "DMA-FQ",
    [DOMAIN_TYPE_IDENTITY] = "identity",
    [DOMAIN_TYPE_AUTO] = "auto",
    [DOMAIN_TYPE_BLOCKED] = "blocked",
    [DOMAIN_TYPE_UNMANAGED] = "unmanaged",
    [DOMAIN_TYPE_UNKNOWN] = "unknown",
};

const char *domain_type_to_string(DomainType type)
{
    if (type < 0 || type >= _DOMAIN_TYPE_MAX)
        return NULL;
    return type_words[type];
}

DomainType domain_type_from_string(const char *word)
{
    for (int i = 0; i < _DOMAIN_TYPE_MAX; i++)
        if (g_strcmp0(word, type_words[i]) == 0)
            return i;
    return _DOMAIN_TYPE_INVALID;
}

bool domain_type_is_switchable(DomainType type)
{
    return domain_type_strictness(type) >= 0;
}

int domain_type_strictness(DomainType type)
{
    switch (type) {
    case DOMAIN_TYPE_DMA:
        return 2;
    case DOMAIN_TYPE_DMA_FQ:
        return 1;
    case DOMAIN_TYPE_IDENTITY:
        return 0;
    default:
        return -1;
    }
}

bool domain_type_relaxes(DomainType from, DomainType to)
{
    int a = domain_type_strictness(from), b = domain_type_strictness(to);

    return a < 0 || b < 0 || b < a;
}

bool domain_type_tightens(DomainType from, DomainType to)
{
    return domain_type_strictness(to) > domain_type_strictness(from);
}
