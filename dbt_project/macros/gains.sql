{# The lifetime metrics that may be summed over days: all but unique counts. #}
{% macro additive_metrics() %}
    {{ return(post_metrics() | reject('equalto', 'reach') | list) }}
{% endmacro %}


{# A value with its instant, so that the greatest pair is the last known value: [1] the instant in seconds since 1970,
   [2] the value. NULL while nothing is known. #}
{% macro last_known(value) -%}
    max(array[extract(epoch from observed_at), {{ value }}]) filter (where {{ value }} is not null)
{%- endmacro %}
