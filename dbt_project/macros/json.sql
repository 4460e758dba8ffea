{# The number at a path (strict: an array is no number), also when it was sent as a plain decimal in a string, as some
   counters are; anything else ("1.2K", NaN) is NULL, never an error nor a guess. #}
{% macro json_number(path, column='payload') -%}
    cast(
        jsonb_path_query_first(
            {{ column }},
            'strict {{ path }} ? (@.type() == "number" || @ like_regex "^-?[0-9]{1,60}([.][0-9]{1,30})?$")',
            '{}',
            true
        ) #>> '{}' as numeric
    )
{%- endmacro %}


{# The lifetime value of one metric in a post's nested insights; Meta answers `values` or `total_value`. #}
{% macro insight_number(metric, root='$.insights.data') -%}
    {%- set found = root ~ '[*] ? (@.name == "' ~ metric ~ '")' -%}
    coalesce(
        {{ json_number(found ~ '.values[0].value') }},
        {{ json_number(found ~ '.total_value.value') }}
    )
{%- endmacro %}


{# The texts of the lists under these keys, as an array; NULL where there is none. #}
{% macro json_texts(keys, column='payload') -%}
    (
        select array_agg(listed.value #>> '{}' order by listed.place)
        from jsonb_path_query(
            {{ column }},
            'lax $.keyvalue() ? (@.key == "{{ keys | join('" || @.key == "') }}").value[*] ? (@.type() == "string")'
        ) with ordinality as listed (value, place)
    )
{%- endmacro %}


{# An ISO 8601 instant with offset; anything else is NULL. #}
{% macro json_instant(key) -%}
    ops.instant_of(payload ->> '{{ key }}')
{%- endmacro %}


{# Milliseconds since 1970; what lies outside the years 1970 to 9999 is NULL. #}
{% macro json_epoch_ms(path) -%}
    case
        when {{ json_number(path) }} between 0 and 253402300799999
            then timestamptz '1970-01-01 00:00:00+00' + {{ json_number(path) }} * interval '1 millisecond'
    end
{%- endmacro %}


{# true or false; anything else is NULL. #}
{% macro json_boolean(key) -%}
    case payload -> '{{ key }}' when 'true'::jsonb then true when 'false'::jsonb then false end
{%- endmacro %}
