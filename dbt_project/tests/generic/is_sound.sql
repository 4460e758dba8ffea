{#
    A candidate of a mart in one pass: `key` names a row (as is_key), these columns are never NULL, and those hold nothing
    but these values or NULL. Each column test apart would work the whole mart out once more; and of a mart that goes on
    from what changed, only that is worked out.
#}
{% test is_sound(model, key, not_null=[], values={}) %}
{%- set faults = {} -%}
{%- for column in key -%}
    {%- do faults.update({column ~ ' is NULL': column ~ ' is null'}) -%}
{%- endfor -%}
{%- for column in not_null -%}
    {%- do faults.update({column ~ ' is NULL': 'bool_or(' ~ column ~ ' is null)'}) -%}
{%- endfor -%}
{%- for column, accepted in values.items() -%}
    {%- do faults.update({column ~ ' has another value': "bool_or(" ~ column ~ " not in ('" ~ accepted | join("', '") ~ "'))"}) -%}
{%- endfor %}
select
    {{ key | join(', ') }},
    count(*) as number_of_rows,
    concat_ws(
        '; ',
        {%- for fault, condition in faults.items() %}
            case when {{ condition }} then '{{ fault }}' end
            {%- if not loop.last %},{% endif %}
        {%- endfor %}
    ) as faults
from {{ rows_to_publish(model) }} as audited
group by {{ key | join(', ') }}
having
    count(*) > 1
    {%- for condition in faults.values() %}
        or {{ condition }}
    {%- endfor %}
{% endtest %}
