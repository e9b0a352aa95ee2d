from service.secrets.port import SecretsError


def test_error_keeps_every_problem():
    error = SecretsError(["first problem", "second problem"])

    assert error.problems == ("first problem", "second problem")
    assert str(error) == "first problem; second problem"
