{# The ages at which posts are compared: name and hours. #}
{% macro compared_ages() %}
    {{ return([('1h', 1), ('3h', 3), ('6h', 6), ('24h', 24), ('48h', 48), ('7d', 168), ('30d', 720)]) }}
{% endmacro %}


{# Younger posts are still growing; the same as MATURITY_DAYS of insights/run.py. #}
{% macro maturity() -%}
    interval '7 days'
{%- endmacro %}


{# The value at an age in hours of a curve that is known from `observed_at` to `known_until` and again at
   `next_observed_at`: as it was seen, or else on the straight line between two looks; NULL where no two enclose it. #}
{% macro value_at(hours) -%}
    case
        when {{ at_age(hours) }} between observed_at and known_until then value
        when {{ at_age(hours) }} > known_until and {{ at_age(hours) }} < next_observed_at
            then value + (next_value - value)
                * extract(epoch from {{ at_age(hours) }} - known_until)
                / extract(epoch from next_observed_at - known_until)
    end
{%- endmacro %}


{# Whether the value at an age lies between two looks that told different ones; NULL without a value. #}
{% macro is_between_looks(hours) -%}
    bool_or({{ at_age(hours) }} > known_until and value <> next_value)
    filter (where {{ value_at(hours) }} is not null)
{%- endmacro %}


{# The instant at which a post has this age in hours. #}
{% macro at_age(hours) -%}
    (published_at + interval '{{ hours }} hours')
{%- endmacro %}


{# Hours from publication to where the curve first came to this share of its final value, between two looks; NULL when
   it was there at the first look, or silent before. #}
{% macro hours_to(share) -%}
    min(
        (
            extract(epoch from known_until_before - published_at)
            + extract(epoch from observed_at - known_until_before)
            * (final_value * {{ share }} - value_before) / nullif(value - value_before, 0)
        ) / 3600
    ) filter (where {{ reaches(share) }} and value_before is not null)
{%- endmacro %}


{# Whether the curve comes to this share of its final value here for the first time. #}
{% macro reaches(share) -%}
    final_value > 0
    and value >= final_value * {{ share }}
    and (highest_before is null or highest_before < final_value * {{ share }})
{%- endmacro %}


{# The hours between two instants. #}
{% macro hours_between(earlier, later) -%}
    trim_scale(extract(epoch from {{ later }} - {{ earlier }}) / 3600)
{%- endmacro %}


{# Of a curve, the value at one of the ages. #}
{% macro value_of_age(relation, hours) -%}
    case {{ hours }}
        {%- for age, each in compared_ages() %}
            when {{ each }} then {{ relation }}.value_{{ age }}
        {%- endfor %}
    end
{%- endmacro %}


{# The value at a rank of the sorted list from which the post at `place` is taken out; nothing is, where it is NULL. #}
{% macro without_one(rank) -%}
    compared.sorted_values[
        {{ rank }} + case when {{ rank }} >= compared.place then 1 else 0 end
    ]
{%- endmacro %}
