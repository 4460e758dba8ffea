{#
    `sync`: the model says the whole table; only rows that differ are written. Equal to a full refresh by construction.
    A row is not different by its `changed_at` alone. With --empty the model says nothing.
#}
{% macro get_incremental_sync_sql(arg_dict) %}
    {%- if flags.EMPTY -%}
        {{ return('select 1 where false') }}
    {%- endif -%}
    {%- set told = arg_dict['dest_columns'] | map(attribute='quoted') | reject('equalto', '"changed_at"') | list %}
    delete from {{ arg_dict['target_relation'] }} as present
    where not {{ is_desired(arg_dict, told) }};

    {{ insert_missing(arg_dict) }}
{% endmacro %}


{#
    `sync_parts`: the model says all rows of some parts, which the first column of `unique_key` names; of those parts only
    rows that differ are written. The others stay, also a part that the model says nothing of.
#}
{% macro get_incremental_sync_parts_sql(arg_dict) %}
    {%- set part = arg_dict['unique_key'][0] %}
    delete from {{ arg_dict['target_relation'] }} as present
    using (select distinct {{ part }} from {{ arg_dict['temp_relation'] }}) as parts
    where
        present.{{ part }} = parts.{{ part }}
        and not {{ is_desired(arg_dict) }};

    {{ insert_missing(arg_dict) }}
{% endmacro %}


{# `sync_days`: the model says all rows of the claimed days; of those days only rows that differ are written. #}
{% macro get_incremental_sync_days_sql(arg_dict) %}
    {%- if continues_by_day() %}
        delete from {{ arg_dict['target_relation'] }} as present
        using claimed_days as claimed
        where
            present.business_id = claimed.business_id
            and present.day = claimed.day
            and not {{ is_desired(arg_dict) }};
    {%- endif %}

    {{ insert_missing(arg_dict) }}
{% endmacro %}


{# Whether the model says the row `present`, of which these columns count (all, unless named). #}
{% macro is_desired(arg_dict, columns=none) -%}
    {%- set compared = columns or arg_dict['dest_columns'] | map(attribute='quoted') | list -%}
    exists (
        select 1
        from {{ arg_dict['temp_relation'] }} as desired
        where
            {{ has_same_key(arg_dict) }}
            and (desired.{{ compared | join(', desired.') }})
            is not distinct from (present.{{ compared | join(', present.') }})
    )
{%- endmacro %}


{# The rows that the model says and the table has no row of the same key for. #}
{% macro insert_missing(arg_dict) -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict['temp_relation'] }} as desired
    where not exists (
        select 1
        from {{ arg_dict['target_relation'] }} as present
        where {{ has_same_key(arg_dict) }}
    )
{%- endmacro %}


{# `unique_key` is one column, or several. #}
{% macro has_same_key(arg_dict) -%}
    {%- set told = arg_dict['unique_key'] -%}
    {%- set key = [told] if told is string else told -%}
    {%- for column in key -%}
        present.{{ column }} = desired.{{ column }}{% if not loop.last %} and {% endif %}
    {%- endfor -%}
{%- endmacro %}
