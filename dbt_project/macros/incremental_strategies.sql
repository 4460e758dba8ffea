{#
    `sync`: the model says the whole table; only rows that differ are written. Equal to a full refresh by construction.
    `unique_key` is one column. A row is not different by its `changed_at` alone. With --empty the model says nothing.
#}
{% macro get_incremental_sync_sql(arg_dict) %}
    {%- if flags.EMPTY -%}
        {{ return('select 1 where false') }}
    {%- endif -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set desired = arg_dict['temp_relation'] -%}
    {%- set key = arg_dict['unique_key'] -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | list -%}
    {%- set told = columns | reject('equalto', '"changed_at"') | list -%}

    delete from {{ target }} as present
    where not exists (
        select 1
        from {{ desired }} as desired
        where
            desired.{{ key }} = present.{{ key }}
            and (desired.{{ told | join(', desired.') }}) is not distinct from (present.{{ told | join(', present.') }})
    );

    insert into {{ target }} ({{ columns | join(', ') }})
    select {{ columns | join(', ') }}
    from {{ desired }} as desired
    where not exists (
        select 1
        from {{ target }} as present
        where present.{{ key }} = desired.{{ key }}
    )
{% endmacro %}


{#
    `sync_parts`: the model says all rows of some parts, which the first column of `unique_key` names; of those parts only
    rows that differ are written. The others stay, also a part that the model says nothing of.
#}
{% macro get_incremental_sync_parts_sql(arg_dict) %}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set desired = arg_dict['temp_relation'] -%}
    {%- set key = arg_dict['unique_key'] -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | list -%}

    delete from {{ target }} as present
    using (select distinct {{ key[0] }} from {{ desired }}) as parts
    where
        present.{{ key[0] }} = parts.{{ key[0] }}
        and not exists (
            select 1
            from {{ desired }} as desired
            where
                {% for column in key -%}
                    desired.{{ column }} = present.{{ column }} and
                {% endfor -%}
                (desired.{{ columns | join(', desired.') }}) is not distinct from (present.{{ columns | join(', present.') }})
        );

    insert into {{ target }} ({{ columns | join(', ') }})
    select {{ columns | join(', ') }}
    from {{ desired }} as desired
    where not exists (
        select 1
        from {{ target }} as present
        where
            {% for column in key -%}
                present.{{ column }} = desired.{{ column }}{% if not loop.last %} and{% endif %}
            {% endfor %}
    )
{% endmacro %}
