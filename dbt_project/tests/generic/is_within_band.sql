{# No mart holds half or twice of what is usual, unless a person accepted it (docs/runbook.md#publication). #}
{% test is_within_band(model) %}
    select *
    from {{ model }}
    where share_of_usual < 0.5 or share_of_usual > 2
{% endtest %}
