{# The lifetime metrics that may be summed over days: all but unique counts. #}
{% macro additive_metrics() %}
    {{ return(post_metrics() | reject('equalto', 'reach') | list) }}
{% endmacro %}


{# A value with its instant, so that the greatest pair is the last known value: [1] the instant in seconds since 1970,
   [2] the value. NULL while nothing is known. #}
{% macro last_known(value) -%}
    max(array[extract(epoch from observed_at), {{ value }}]) filter (where {{ value }} is not null)
{%- endmacro %}


{# Joins to every row its metrics one by one: columns metric, new_value and known_before, the last_known() of before. #}
{% macro with_each_metric(relation, metrics, names={}) -%}
    cross join lateral (
        values
            {%- for metric in metrics %}
            ('{{ names.get(metric, metric) }}', {{ relation }}.{{ metric }}, {{ relation }}.{{ metric }}_before)
            {%- if not loop.last %},{% endif %}
            {%- endfor %}
    ) as metrics (metric, new_value, known_before)
{%- endmacro %}
