{# Every difference of these rows has a reason. #}
{% test is_closed(model) %}
    select *
    from {{ model }}
    where unexplained <> 0 or (difference <> 0 and reason is null)
{% endtest %}
